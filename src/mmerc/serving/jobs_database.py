"""Job databases: SQLite for one machine, PostgreSQL for several."""

from __future__ import annotations

import errno
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mmerc.errors import MmercError

if TYPE_CHECKING:
    import psycopg

_COLUMNS = {
    "id": "TEXT PRIMARY KEY",
    "name": "TEXT NOT NULL DEFAULT ''",
    "state": "TEXT NOT NULL DEFAULT 'uploading'",
    "stage": "TEXT",
    "done": "INTEGER NOT NULL DEFAULT 0",
    "total": "INTEGER NOT NULL DEFAULT 0",
    "reason": "TEXT",
    "deaths": "INTEGER NOT NULL DEFAULT 0",
    "created": "REAL NOT NULL",
    "ended": "REAL",
    "claim": "TEXT",
    "lease": "REAL",
}
_PROCESSES = {
    "id": "TEXT PRIMARY KEY",
    "jobs": "INTEGER NOT NULL",
    "seen": "REAL NOT NULL",
    "problem": "TEXT",
}
_TIMEOUT = 5  # seconds to connect, and to wait for a lock
_LOST = "cannot be reached or used"


class DatabaseError(OSError):
    """The PostgreSQL database cannot be reached or written."""


class JobsDatabase(Protocol):
    """Runs SQL with ``?`` placeholders; thread-safe."""

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, and return its rows."""
        ...

    def alone(self) -> AbstractContextManager[None]:
        """Open a transaction during which no other process changes jobs."""
        ...

    def now(self) -> float:
        """Return seconds since 1970, by a clock shared by all processes."""
        ...

    def check(self) -> None:
        """OSError if the database was deleted or replaced."""
        ...

    def close(self) -> None: ...


class SqliteDatabase:
    """A SQLite file; columns missing in earlier versions are added."""

    def __init__(self, path: Path) -> None:
        self.path, self.lock = path, threading.RLock()
        self.connection = sqlite3.connect(
            path, timeout=_TIMEOUT, isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self.connection.execute(f"PRAGMA {pragma}")
        self.connection.execute(f"{_create('jobs', _COLUMNS)} STRICT")
        self.connection.execute(f"{_create('processes', _PROCESSES)} STRICT")
        existing = {row[1] for row in self.connection.execute("PRAGMA table_info(jobs)")}
        for name in _COLUMNS.keys() - existing:
            self.connection.execute(f"ALTER TABLE jobs ADD COLUMN {name} {_COLUMNS[name]}")
        self.inode = path.stat().st_ino

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self.lock:
            return self.connection.execute(statement, values).fetchall()

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self.lock:
            self.connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.connection.execute("COMMIT")
            except BaseException:
                if self.connection.in_transaction:
                    self.connection.execute("ROLLBACK")
                raise

    def now(self) -> float:
        return time.time()

    def check(self) -> None:
        if self.path.stat().st_ino != self.inode:
            raise FileNotFoundError(errno.ENOENT, "its database was replaced; restart the server")

    def close(self) -> None:
        with self.lock:
            self.connection.close()


class PostgresDatabase:
    """A PostgreSQL database; a lost connection is reopened at the next statement.

    MmercError on opening if psycopg is missing or the database is unusable; later DatabaseError.
    """

    def __init__(self, url: str) -> None:
        try:
            import psycopg
        except ImportError as error:
            raise MmercError(
                "A PostgreSQL database of jobs needs psycopg; install it with "
                "`pip install 'mmerc[postgres]'`."
            ) from error
        self.url, self.lock, self.errors = url, threading.RLock(), psycopg.errors
        self.connection: psycopg.Connection[tuple[Any, ...]] | None = None
        try:
            with self.alone():
                pass
        except DatabaseError as error:
            raise MmercError(
                f"--jobs-database: {error.strerror}; check its address, user and password."
            ) from error

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Return the open connection, or open one and create the tables."""
        import psycopg

        if self.connection is None or self.connection.closed:
            milliseconds = 1000 * _TIMEOUT
            options = f"-c statement_timeout={milliseconds} -c lock_timeout={milliseconds}"
            connection = psycopg.connect(
                self.url, autocommit=True, connect_timeout=_TIMEOUT, options=options
            )
            with connection.transaction():
                connection.execute("SELECT pg_advisory_xact_lock(20260, 1)")  # one creates them
                for table, columns in (("jobs", _COLUMNS), ("processes", _PROCESSES)):
                    statement = _create(table, columns).replace("REAL", "DOUBLE PRECISION")
                    connection.execute(statement.encode())
            self.connection = connection
        return self.connection

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        with self._using_connection() as connection:
            cursor = connection.execute(statement.replace("?", "%s").encode(), values)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def alone(self) -> Iterator[None]:
        with self._using_connection() as connection, connection.transaction():
            connection.execute("LOCK TABLE jobs IN SHARE ROW EXCLUSIVE MODE")
            yield

    @contextmanager
    def _using_connection(self) -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """Lock the connection for this thread; convert its errors to DatabaseError."""
        with self.lock:
            try:
                yield self._connect()
            except self.errors.DiskFull as error:
                raise DatabaseError(errno.ENOSPC, "the database's disk is full") from error
            except self.errors.Error as error:
                raise DatabaseError(errno.EIO, f"the database {_LOST}") from error

    def now(self) -> float:
        return float(self.execute("SELECT extract(epoch FROM clock_timestamp())")[0][0])

    def check(self) -> None:
        """Do nothing: writing statements fail if the database is gone."""

    def close(self) -> None:
        with self.lock:
            if self.connection is not None:
                self.connection.close()


def _create(table: str, columns: dict[str, str]) -> str:
    """Return the SQLite statement that creates a table."""
    described = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE IF NOT EXISTS {table} ({described})"
