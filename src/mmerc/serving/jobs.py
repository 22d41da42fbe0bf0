"""Jobs and their progress, in SQLite: an accepted job survives the server."""

from __future__ import annotations

import errno
import secrets
import shutil
import sqlite3
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from mmerc.inference.pipeline.progress import Step

_State = Literal["uploading", "queued", "running", "done", "partial", "failed"]
_Outcome = Literal["done", "partial", "failed"]
_STATES: tuple[_State, ...] = get_args(_State)
DATABASE = "jobs.sqlite"
_TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'uploading',
    stage TEXT, done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, reason TEXT,
    deaths INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, ended REAL
) STRICT
"""
_RESERVE = """
INSERT INTO jobs (id, created) SELECT ?, ? WHERE (
    SELECT count(*) FROM jobs WHERE state IN ('uploading', 'queued', 'running')
) < ? RETURNING id
"""
_AHEAD = """
SELECT count(*) FROM jobs
WHERE state = 'running' OR (state = 'queued' AND (created, id) < (?, ?))
"""
_COLUMNS = "id, name, state, stage, done, total, reason, deaths, created, ended"


@dataclass(frozen=True, slots=True)
class Job:
    """A recording to analyse: ``done`` of ``total`` of a ``stage``.

    ``reason``: why it failed or is partial, one sentence per line. ``deaths``: how often its worker
    was killed or hung; times in seconds since 1970.
    """

    id: str
    name: str
    state: _State
    stage: str | None
    done: int
    total: int
    reason: str | None
    deaths: int
    created: float
    ended: float | None

    @property
    def reasons(self) -> list[str]:
        """Why it failed or is partial."""
        return self.reason.splitlines() if self.reason else []

    @property
    def has_results(self) -> bool:
        return self.state in {"done", "partial"}


class Jobs:
    """The jobs in one folder; safe to use from several threads."""

    CANARY = ".canary-"  # how names of files start that /ready writes

    def __init__(self, folder: Path, *, max_jobs: int) -> None:
        self.root, self.max_jobs = folder / "jobs", max_jobs
        self.root.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.path = folder / DATABASE
        self.database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self.database.execute(f"PRAGMA {pragma}")
        self.database.execute(_TABLE)
        self.inode = self.path.stat().st_ino

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, and return its rows."""
        with self.lock:
            return self.database.execute(statement, values).fetchall()

    def change(self, job: str, assignments: str, values: Sequence[object] = ()) -> bool:
        """Set columns of a job; False if it no longer exists."""
        statement = f"UPDATE jobs SET {assignments} WHERE id = ? RETURNING id"  # noqa: S608
        return bool(self.execute(statement, (*values, job)))

    def folder(self, job: str) -> Path:
        return self.root / job

    def reserve(self) -> str | None:
        """A place for an upload, with its folder; None if there are too many jobs."""
        job, reserved = secrets.token_hex(16), False
        with self.lock:  # a sweep between folder and row would delete the folder
            self.folder(job).mkdir(mode=0o700)
            try:
                reserved = bool(self.execute(_RESERVE, (job, time.time(), self.max_jobs)))
            finally:
                if not reserved:
                    self.folder(job).rmdir()
        return job if reserved else None

    def accept(self, job: str, name: str) -> None:
        """Queue a job whose upload is complete; from now on it is not lost."""
        self.change(job, "state = 'queued', name = ?", (name,))

    def get(self, job: str) -> Job | None:
        rows = self.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,))  # noqa: S608
        return Job(*rows[0]) if rows else None

    def claim(self) -> Job | None:
        """Start the job that has waited longest."""
        oldest = "SELECT id FROM jobs WHERE state = 'queued' ORDER BY created, id LIMIT 1"
        rows = self.execute(
            f"UPDATE jobs SET state = 'running' WHERE id = ({oldest}) RETURNING {_COLUMNS}"  # noqa: S608
        )
        return Job(*rows[0]) if rows else None

    def advance(self, job: str, step: Step) -> bool:
        """Record the progress of a job; False if it was deleted."""
        values = (step.stage, step.done, step.total)
        return self.change(job, "stage = ?, done = ?, total = ?", values)

    def end(self, job: str, outcome: _Outcome, reasons: Sequence[str] = ()) -> None:
        """Record the end of a job, and why it is not done, or not all of it."""
        values = (outcome, "\n".join(reasons) or None, time.time())
        self.change(job, "state = ?, reason = ?, ended = ?", values)

    def requeue(self, job: str, *, died: bool) -> None:
        """Let a job whose worker is gone wait for another one."""
        self.change(job, "state = 'queued', deaths = deaths + ?", (int(died),))

    def ahead(self, job: Job) -> int:
        """How many jobs are running or queued before this one."""
        return int(self.execute(_AHEAD, (job.created, job.id))[0][0])

    def counts(self) -> dict[_State, int]:
        """The number of jobs in each state."""
        rows: dict[_State, int] = dict(
            self.execute("SELECT state, count(*) FROM jobs GROUP BY state")
        )
        return {state: rows.get(state, 0) for state in _STATES}

    def longest_wait(self) -> float:
        """Seconds since the oldest queued job was uploaded; 0 without any."""
        oldest = self.execute("SELECT min(created) FROM jobs WHERE state = 'queued'")[0][0]
        return 0.0 if oldest is None else max(0.0, time.time() - float(oldest))

    def remove(self, job: str) -> bool:
        """Delete a job and all its files; False if there is no such job.

        Files are deleted first, which makes room for the database on a full disk.
        """
        shutil.rmtree(self.folder(job), ignore_errors=True)
        return bool(self.execute("DELETE FROM jobs WHERE id = ? RETURNING id", (job,)))

    def recover(self) -> None:
        """After a start: queue what was running, and delete unfinished uploads."""
        for row in self.execute("SELECT id FROM jobs WHERE state = 'uploading'"):
            self.remove(str(row[0]))
        self.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
        for path in self.root.glob(f"{self.CANARY}*"):
            path.unlink()
        self.sweep()

    def expire(self, *, keep: float) -> int:
        """Delete jobs that ended ``keep`` seconds ago, and return their number."""
        rows = self.execute("SELECT id FROM jobs WHERE ended <= ?", (time.time() - keep,))
        for row in rows:
            self.remove(str(row[0]))
        self.sweep()
        return len(rows)

    def sweep(self) -> None:
        """Delete folders without a job, and jobs without a folder.

        A killed worker may leave the former after its job was deleted, a full disk the latter.
        """
        with self.lock:
            names = {folder.name for folder in self.root.iterdir()}
            folders = {name for name in names if not name.startswith(self.CANARY)}
            jobs = {str(row[0]) for row in self.execute("SELECT id FROM jobs")}
        for job in folders ^ jobs:
            self.remove(job)

    def check_files(self) -> None:
        """OSError if the folder of the jobs or the database was deleted or replaced."""
        if not self.root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "it was deleted; put it back, or restart")
        if self.path.stat().st_ino != self.inode:
            raise FileNotFoundError(errno.ENOENT, "its database was replaced; restart the server")

    def check_database(self) -> None:
        """sqlite3.Error if the database cannot be written."""
        with self.lock:
            self.database.execute("BEGIN IMMEDIATE")
            try:
                self.database.execute("CREATE TABLE IF NOT EXISTS checks (checked REAL) STRICT")
                self.database.execute("DELETE FROM checks")
                self.database.execute("INSERT INTO checks VALUES (?)", (time.time(),))
                self.database.execute("COMMIT")
            except BaseException:
                if self.database.in_transaction:
                    self.database.execute("ROLLBACK")
                raise

    def close(self) -> None:
        with self.lock:
            self.database.close()
