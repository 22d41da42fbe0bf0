"""The jobs and how far they are, in SQLite: what was accepted outlives the server."""

from __future__ import annotations

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

State = Literal["uploading", "queued", "running", "done", "failed"]
STATES: tuple[State, ...] = get_args(State)
DATABASE = "jobs.sqlite"
TABLE = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, name TEXT NOT NULL DEFAULT '', state TEXT NOT NULL DEFAULT 'uploading',
    stage TEXT, done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, reason TEXT,
    deaths INTEGER NOT NULL DEFAULT 0, created REAL NOT NULL, ended REAL
) STRICT
"""
RESERVE = """
INSERT INTO jobs (id, created) SELECT ?, ? WHERE (
    SELECT count(*) FROM jobs WHERE state IN ('uploading', 'queued', 'running')
) < ? RETURNING id
"""
AHEAD = """
SELECT count(*) FROM jobs
WHERE state = 'running' OR (state = 'queued' AND (created, id) < (?, ?))
"""
COLUMNS = "id, name, state, stage, done, total, reason, deaths, created, ended"


@dataclass(frozen=True, slots=True)
class Job:
    """A recording to analyse: ``done`` of ``total`` of a ``stage``, and why it failed if it did.

    ``deaths``: how often its worker was killed; times in seconds since 1970.
    """

    id: str
    name: str
    state: State
    stage: str | None
    done: int
    total: int
    reason: str | None
    deaths: int
    created: float
    ended: float | None


class Jobs:
    """All jobs below one folder; may be used by several threads."""

    def __init__(self, folder: Path, *, waiting: int) -> None:
        self.root, self.waiting = folder / "jobs", waiting
        self.root.mkdir(parents=True, exist_ok=True)
        self.lock = threading.RLock()
        path = folder / DATABASE
        self.database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "secure_delete=ON"):
            self.database.execute(f"PRAGMA {pragma}")
        self.database.execute(TABLE)

    def ask(self, statement: str, values: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement, whole or not at all."""
        with self.lock:
            return self.database.execute(statement, values).fetchall()

    def change(self, job: str, assignments: str, values: Sequence[object] = ()) -> bool:
        """Set columns of a job; False where it is gone by now."""
        statement = f"UPDATE jobs SET {assignments} WHERE id = ? RETURNING id"  # noqa: S608
        return bool(self.ask(statement, (*values, job)))

    def folder(self, job: str) -> Path:
        return self.root / job

    def reserve(self) -> str | None:
        """A place for an upload, with its folder; None where there are too many jobs."""
        job, taken = secrets.token_hex(16), False
        with self.lock:  # between folder and row a sweep would take the folder for a left one
            self.folder(job).mkdir(mode=0o700)
            try:
                taken = bool(self.ask(RESERVE, (job, time.time(), self.waiting)))
            finally:
                if not taken:
                    self.folder(job).rmdir()
        return job if taken else None

    def accept(self, job: str, name: str) -> None:
        """The upload is whole: from now on the job is not lost."""
        self.change(job, "state = 'queued', name = ?", (name,))

    def get(self, job: str) -> Job | None:
        rows = self.ask(f"SELECT {COLUMNS} FROM jobs WHERE id = ?", (job,))  # noqa: S608
        return Job(*rows[0]) if rows else None

    def claim(self) -> Job | None:
        """The job that has waited longest; from now on it is running."""
        oldest = "SELECT id FROM jobs WHERE state = 'queued' ORDER BY created, id LIMIT 1"
        rows = self.ask(
            f"UPDATE jobs SET state = 'running' WHERE id = ({oldest}) RETURNING {COLUMNS}"  # noqa: S608
        )
        return Job(*rows[0]) if rows else None

    def advance(self, job: str, step: Step) -> bool:
        """Say how far a job is; False where somebody deleted it."""
        values = (step.stage, step.done, step.total)
        return self.change(job, "stage = ?, done = ?, total = ?", values)

    def end(self, job: str, reason: str | None) -> None:
        """A job is over: done, or failed for a reason."""
        values = ("done" if reason is None else "failed", reason, time.time())
        self.change(job, "state = ?, reason = ?, ended = ?", values)

    def again(self, job: str, *, died: bool) -> None:
        """Let a job whose worker is gone wait for another one."""
        self.change(job, "state = 'queued', deaths = deaths + ?", (int(died),))

    def ahead(self, job: Job) -> int:
        """How many jobs are worked on or come before this one."""
        return int(self.ask(AHEAD, (job.created, job.id))[0][0])

    def counts(self) -> dict[State, int]:
        """How many jobs there are in each state."""
        rows: dict[State, int] = dict(self.ask("SELECT state, count(*) FROM jobs GROUP BY state"))
        return {state: rows.get(state, 0) for state in STATES}

    def remove(self, job: str) -> bool:
        """Forget a job and all its files; False where there is none.

        The files go first: a full disk then has room to write the rest down.
        """
        shutil.rmtree(self.folder(job), ignore_errors=True)
        return bool(self.ask("DELETE FROM jobs WHERE id = ? RETURNING id", (job,)))

    def recover(self) -> None:
        """After a start: what was worked on waits again, unfinished uploads are gone."""
        for row in self.ask("SELECT id FROM jobs WHERE state = 'uploading'"):
            self.remove(str(row[0]))
        self.ask("UPDATE jobs SET state = 'queued' WHERE state = 'running'")
        self.sweep()

    def expire(self, *, keep: float) -> int:
        """Forget what ended ``keep`` seconds ago; how many jobs that were."""
        rows = self.ask("SELECT id FROM jobs WHERE ended <= ?", (time.time() - keep,))
        for row in rows:
            self.remove(str(row[0]))
        self.sweep()
        return len(rows)

    def sweep(self) -> None:
        """Throw away folders of no job, and jobs of no folder.

        A killed worker may leave the one behind its job's removal, a full disk the other.
        """
        with self.lock:
            there = {folder.name for folder in self.root.iterdir()}
            known = {str(row[0]) for row in self.ask("SELECT id FROM jobs")}
        for job in there ^ known:
            self.remove(job)

    def close(self) -> None:
        with self.lock:
            self.database.close()
