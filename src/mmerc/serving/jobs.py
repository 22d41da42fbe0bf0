"""Jobs and their progress, in a database: accepted jobs survive a restart of the server."""

from __future__ import annotations

import errno
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from mmerc.inference.pipeline.progress import Step
from mmerc.serving.jobs_database import JobsDatabase, PostgresDatabase, SqliteDatabase
from mmerc.serving.settings import Settings

_State = Literal["uploading", "queued", "running", "done", "partial", "failed"]
_Outcome = Literal["done", "partial", "failed"]
_STATES: tuple[_State, ...] = get_args(_State)
DATABASE = "jobs.sqlite"
LEASE = 15.0  # seconds until a claim expires unless it is renewed
_ALIVE = 15.0  # seconds without a report until a process counts as dead
_UPLOAD = 7200.0  # seconds without data until a shared upload counts as abandoned
_STRAY = 600.0  # seconds until a shared folder without a job is deleted; it may be just created
_RESERVE = """
INSERT INTO jobs (id, created) SELECT ?, ? WHERE (
    SELECT count(*) FROM jobs WHERE state IN ('uploading', 'queued', 'running')
) < ? RETURNING id
"""
_AHEAD = """
SELECT count(*) FROM jobs
WHERE state = 'running' OR (state = 'queued' AND (created, id) < (?, ?))
"""
_COLUMNS = "id, name, state, stage, done, total, reason, deaths, created, ended, claim"
# A lease far in the future was made before the clock was set back.
_ABANDONED = "(state = 'running' AND NOT coalesce(lease, 0) BETWEEN ? AND ?)"
_CLAIM = f"""
UPDATE jobs SET claim = ?, lease = ?, state = 'running',
    deaths = deaths + CASE WHEN state = 'running' THEN 1 ELSE 0 END
WHERE id = ? RETURNING {_COLUMNS}
"""  # noqa: S608
_REPORT = """
INSERT INTO processes (id, jobs, seen, problem) VALUES (?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET seen = excluded.seen, problem = excluded.problem
"""


@dataclass(frozen=True, slots=True)
class Job:
    """A recording to analyse: ``done`` of ``total`` utterances of a ``stage``.

    ``reason``: why it failed or is partial, one sentence per line. ``deaths``: how often its worker
    was killed or hung. ``claim``: the worker that runs it. Times are in seconds since 1970.
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
    claim: str | None = None

    @property
    def reasons(self) -> list[str]:
        """Sentences on why it failed or is partial."""
        return self.reason.splitlines() if self.reason else []

    @property
    def has_results(self) -> bool:
        return self.state in {"done", "partial"}


@dataclass(frozen=True, slots=True)
class Process:
    """A server or worker that shares the jobs: number of parallel jobs, and problem if any."""

    id: str
    jobs: int
    problem: str | None


class Jobs:
    """The jobs in one folder; thread-safe.

    ``database``: stores their states (None: SQLite in the folder). ``shared``: other processes use
    them too. A claim then lasts ``LEASE`` seconds and must be renewed; otherwise another process
    runs the job again.
    """

    CANARY = ".canary-"  # prefix of files written by /ready

    def __init__(
        self,
        folder: Path,
        *,
        max_jobs: int,
        database: JobsDatabase | None = None,
        shared: bool = False,
    ) -> None:
        self.root, self.max_jobs, self.shared = folder / "jobs", max_jobs, shared
        self.root.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        self.database = SqliteDatabase(folder / DATABASE) if database is None else database
        self.process = secrets.token_hex(8)

    def execute(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows."""
        return self.database.execute(statement, values)

    def change(
        self, job: str, assignments: str, values: Sequence[object] = (), *, claim: str | None = None
    ) -> bool:
        """Set columns of a job; False if it no longer exists or was claimed by another."""
        condition = "" if claim is None else "AND claim = ?"
        statement = f"UPDATE jobs SET {assignments} WHERE id = ? {condition} RETURNING id"  # noqa: S608
        claims = () if claim is None else (claim,)
        return bool(self.execute(statement, (*values, job, *claims)))

    def folder(self, job: str) -> Path:
        return self.root / job

    def reserve(self) -> str | None:
        """Reserve a place and a folder for an upload; None if there are too many jobs."""
        job, reserved = secrets.token_hex(16), False
        with self.lock:  # a sweep before the row exists would delete the folder
            self.folder(job).mkdir(mode=0o700)
            try:
                with self.database.alone():
                    values = (job, self.database.now(), self.max_jobs)
                    rows = self.execute(_RESERVE, values)
                reserved = bool(rows)  # after the commit, which may fail on a full disk
            finally:
                if not reserved:
                    self.folder(job).rmdir()
        return job if reserved else None

    def accept(self, job: str, name: str) -> None:
        """Queue a job with a complete upload, durably.

        Does nothing if it is already queued.
        """
        statement = (
            "UPDATE jobs SET state = 'queued', name = ? WHERE id = ? AND state = 'uploading'"
        )
        self.execute(statement, (name, job))

    def get(self, job: str) -> Job | None:
        rows = self.execute(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", (job,))  # noqa: S608
        return Job(*rows[0]) if rows else None

    def claim(self) -> Job | None:
        """Start the oldest job that is unclaimed or (if shared) abandoned.

        An abandoned job counts as a death: its worker was killed, or cannot reach the database.
        """
        if self._find_claimable() is None:  # checked first without a write lock
            return None
        with self.database.alone():
            job = self._find_claimable()
            if job is None:
                return None
            claim, lease = f"{self.process}-{secrets.token_hex(8)}", self.database.now() + LEASE
            return Job(*self.execute(_CLAIM, (claim, lease, job))[0])

    def _find_claimable(self) -> str | None:
        """Return the id of the job to claim next."""
        condition = "state = 'queued'"
        values: tuple[float, ...] = ()
        if self.shared:
            now = self.database.now()
            condition, values = f"{condition} OR {_ABANDONED}", (now, now + 2 * LEASE)
        rows = self.execute(
            f"SELECT id FROM jobs WHERE {condition} ORDER BY created, id LIMIT 1",  # noqa: S608
            values,
        )
        return str(rows[0][0]) if rows else None

    def renew(self, job: str, claim: str | None) -> bool:
        """Renew a claim; False if the job was deleted or claimed by another."""
        return self.change(job, "lease = ?", (self.database.now() + LEASE,), claim=claim)

    def advance(self, job: str, step: Step, *, claim: str | None = None) -> bool:
        """Record the progress of a job; False if it was deleted or claimed by another."""
        values = (step.stage, step.done, step.total)
        return self.change(job, "stage = ?, done = ?, total = ?", values, claim=claim)

    def end(
        self, job: str, outcome: _Outcome, reasons: Sequence[str] = (), *, claim: str | None = None
    ) -> None:
        """Record the end of a job, with reasons if it failed or is partial."""
        values = (outcome, "\n".join(reasons) or None, self.database.now())
        assignments = "state = ?, reason = ?, ended = ?, claim = NULL, lease = NULL"
        self.change(job, assignments, values, claim=claim)

    def requeue(self, job: str, *, died: bool, claim: str | None = None) -> None:
        """Queue a job again after the loss of its worker."""
        assignments = "state = 'queued', deaths = deaths + ?, claim = NULL, lease = NULL"
        self.change(job, assignments, (int(died),), claim=claim)

    def ahead(self, job: Job) -> int:
        """Return the number of jobs running or queued before this one."""
        return int(self.execute(_AHEAD, (job.created, job.id))[0][0])

    def counts(self) -> dict[_State, int]:
        """Count the jobs in each state."""
        rows: dict[_State, int] = dict(
            self.execute("SELECT state, count(*) FROM jobs GROUP BY state")
        )
        return {state: rows.get(state, 0) for state in _STATES}

    def longest_wait(self) -> float:
        """Return the seconds since the upload of the oldest queued job; 0 if there is none."""
        oldest = self.execute("SELECT min(created) FROM jobs WHERE state = 'queued'")[0][0]
        return 0.0 if oldest is None else max(0.0, self.database.now() - float(oldest))

    def remove(self, job: str) -> bool:
        """Delete a job and all its files; False if there is no such job.

        Files are deleted first, to make room for the database on a full disk.
        """
        shutil.rmtree(self.folder(job), ignore_errors=True)
        return bool(self.execute("DELETE FROM jobs WHERE id = ? RETURNING id", (job,)))

    def recover(self) -> None:
        """After a start: requeue running jobs and delete unfinished uploads.

        Does nothing if the jobs are shared, because another process may be running them.
        """
        if self.shared:
            return
        for row in self.execute("SELECT id FROM jobs WHERE state = 'uploading'"):
            self.remove(str(row[0]))
        self.execute("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
        self.execute("DELETE FROM processes")
        for path in self.root.glob(f"{self.CANARY}*"):
            path.unlink()
        self.sweep()

    def expire(self, *, keep: float) -> int:
        """Delete jobs that ended at least ``keep`` seconds ago; return their number."""
        now = self.database.now()
        rows = self.execute("SELECT id FROM jobs WHERE ended <= ?", (now - keep,))
        count = sum(self.remove(str(row[0])) for row in rows)
        if self.shared:
            abandoned = "SELECT id FROM jobs WHERE state = 'uploading' AND created <= ?"
            for row in self.execute(abandoned, (now - _UPLOAD,)):
                if time.time() - find_last_change(self.folder(str(row[0]))) > _UPLOAD:
                    self.remove(str(row[0]))
            self.execute("DELETE FROM processes WHERE seen <= ?", (now - _STRAY,))
        self.sweep()
        return count

    def sweep(self) -> None:
        """Delete folders without a job, and jobs without a folder.

        A killed worker may leave the former after its job was deleted; a full disk, the latter. If
        jobs are shared, only older folders are deleted: another process may be creating one, and an
        unmounted disk shows no folders at all.
        """
        with self.lock:
            paths = {p.name: p for p in self.root.iterdir() if not p.name.startswith(self.CANARY)}
            jobs = {str(row[0]) for row in self.execute("SELECT id FROM jobs")}
        stray = paths.keys() - jobs
        if self.shared:
            stray = {name for name in stray if _is_older(paths[name], _STRAY)}
        for job in stray if self.shared else stray | (jobs - paths.keys()):
            self.remove(job)

    def report(self, *, jobs: int, problem: str | None) -> None:
        """Report this process to others: number of parallel jobs, and problem if any."""
        self.execute(_REPORT, (self.process, jobs, self.database.now(), problem))

    def processes(self) -> list[Process]:
        """List processes that have reported recently."""
        since = self.database.now() - _ALIVE
        rows = self.execute("SELECT id, jobs, problem FROM processes WHERE seen > ?", (since,))
        return [Process(*row) for row in rows]

    def check_files(self) -> None:
        """OSError if the jobs' folder or the database was deleted or replaced."""
        if not self.root.is_dir():
            raise FileNotFoundError(errno.ENOENT, "it was deleted; put it back, or restart")
        self.database.check()

    def check_database(self) -> None:
        """sqlite3.Error or DatabaseError if the database is not writable."""
        values = (f"{self.process} /ready", 0, self.database.now(), None)
        self.execute(_REPORT, values)

    def close(self) -> None:
        self.database.close()


def open_jobs(settings: Settings) -> Jobs:
    """Open the configured jobs; OSError, sqlite3.Error or MmercError if impossible."""
    url = settings.jobs_database
    return Jobs(
        settings.folder,
        max_jobs=settings.max_jobs,
        database=None if url is None else PostgresDatabase(url),
        shared=settings.shared,
    )


def find_last_change(folder: Path) -> float:
    """Return the last write to a file in a folder, in seconds since 1970; 0 without files."""
    times = [0.0]
    for path in folder.glob("*"):
        with suppress(FileNotFoundError):
            times.append(path.stat().st_mtime)
    return max(times)


def _is_older(path: Path, seconds: float) -> bool:
    """Whether the last change of a folder was more than ``seconds`` ago."""
    try:
        return time.time() - path.stat().st_mtime > seconds
    except OSError:
        return False
