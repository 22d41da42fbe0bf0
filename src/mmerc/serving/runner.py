"""Threads that run each job in a process of its own, and record its end."""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Literal

from mmerc.inference.pipeline.progress import Step
from mmerc.processes import available_cores, without_interrupts, worker_context
from mmerc.serving.jobs import Job, Jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.settings import Settings
from mmerc.serving.worker import AnalysisTask, Ended, run_task

_LOG = logging.getLogger("mmerc.serving")
_POLL = 0.2  # seconds between two looks at the jobs, at a worker, and at the clock
_EXPIRY = 30.0  # seconds between two searches for expired jobs
_RETRY = 1.0  # seconds before the disk is tried again
_KILLED_TWICE = "Its process was killed twice, perhaps out of memory; try a shorter recording."
_NEEDED_BY_JOBS = ("mmerc.inference.pipeline.pipeline", "mmerc.inference.results")
_Verdict = Literal["ended", "died", "deleted", "stopped"]


@dataclass
class Runner:
    """Runs the jobs; ``stop`` leaves unfinished ones to the next start."""

    jobs: Jobs
    settings: Settings
    metrics: Metrics
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        """Start, with the jobs that an earlier server left."""
        tasks = [self.run_jobs] * self.settings.max_running_jobs + [self.expire]
        self.threads = [threading.Thread(target=task, daemon=True) for task in tasks]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Stop the workers; their jobs resume at the next start."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run_jobs(self) -> None:
        """Run one job after another."""
        while not self.stopping.wait(_POLL):
            with self.surviving_errors("queue"):
                job = self.jobs.claim()
                if job is not None:
                    self.run_job(job)

    def expire(self) -> None:
        """Delete expired jobs."""
        while not self.stopping.wait(min(_EXPIRY, self.settings.keep / 4)):
            with self.surviving_errors("expiry"):
                self.metrics.expired.inc(self.jobs.expire(keep=self.settings.keep))

    @contextmanager
    def surviving_errors(self, where: str) -> Iterator[None]:
        """Log an error of the disk or the system, and wait, instead of dying of it.

        One that lasts is logged once.
        """
        try:
            yield
            self.failing.pop(where, None)
        except (OSError, sqlite3.Error) as error:
            name = type(error).__name__
            if self.failing.get(where) != name:
                _LOG.error("%s: %s", where, name)
            self.failing[where] = name
            self.stopping.wait(_RETRY)

    def run_job(self, job: Job) -> None:
        """Run a job, and record its end as soon as the disk can be written."""
        _LOG.info("job %s starts", job.id[:8])
        verdict: _Verdict = "stopped"
        reason: str | None = None
        with self.surviving_errors("worker"):
            verdict, reason = self.run_worker(job)
        _LOG.info("job %s %s%s", job.id[:8], verdict, ": failed" if reason else "")
        while not self.try_to_settle(job, verdict, reason) and not self.stopping.is_set():
            pass

    def try_to_settle(self, job: Job, verdict: _Verdict, reason: str | None) -> bool:
        """Whether the end of a job could be recorded."""
        with self.surviving_errors("end of a job"):
            self.settle(job, verdict, reason)
            return True
        return False

    def run_worker(self, job: Job) -> tuple[_Verdict, str | None]:
        """Run a job in a process of its own."""
        context = worker_context(*_NEEDED_BY_JOBS)
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=run_task, args=(self.task(job), sender, dict(os.environ)))
        with without_interrupts():
            process.start()
        sender.close()
        with receiver:
            try:
                return self.watch(job, process, receiver)
            finally:
                process.kill()
                process.join()

    def task(self, job: Job) -> AnalysisTask:
        return AnalysisTask(
            folder=self.jobs.folder(job.id),
            name=job.name,
            model=self.settings.model,
            commercial_only=self.settings.commercial_only,
            longest_recording=self.settings.longest_recording,
            memory=self.settings.memory,
            workers=max(1, available_cores() // self.settings.max_running_jobs),
        )

    def watch(
        self, job: Job, process: BaseProcess, receiver: Connection
    ) -> tuple[_Verdict, str | None]:
        """Follow a worker until it ends or dies, or its job is deleted."""
        deadline = time.monotonic() + self.settings.longest_job
        while not self.stopping.is_set():
            latest: Step | None = None
            try:
                while receiver.poll(_POLL if latest is None else 0):
                    message = receiver.recv()
                    if isinstance(message, Ended):
                        process.join(timeout=5.0)
                        return "ended", message.reason
                    latest = message
            except EOFError:
                return "died", None
            if not self.advance(job, latest):
                return "deleted", None
            if time.monotonic() > deadline:
                minutes = f"{self.settings.longest_job / 60:g}"
                return "ended", f"It took longer than {minutes} minutes; try a shorter recording."
        return "stopped", None

    def advance(self, job: Job, latest: Step | None) -> bool:
        """Record the progress of a job; False if it was deleted."""
        try:
            return (
                self.jobs.advance(job.id, latest) if latest else self.jobs.get(job.id) is not None
            )
        except sqlite3.Error:  # no room to record the progress
            return True

    def settle(self, job: Job, verdict: _Verdict, reason: str | None) -> None:
        """Record the end of a job, or queue it again."""
        if verdict == "deleted":
            shutil.rmtree(self.jobs.folder(job.id), ignore_errors=True)
        elif verdict == "stopped":
            self.jobs.requeue(job.id, died=False)
        elif verdict == "died" and job.deaths == 0:
            self.jobs.requeue(job.id, died=True)
            self.metrics.restarted.inc()
        else:
            shutil.rmtree(self.jobs.folder(job.id) / "work", ignore_errors=True)
            reason = _KILLED_TWICE if verdict == "died" else reason
            self.jobs.end(job.id, reason)
            self.metrics.ended.labels("done" if reason is None else "failed").inc()
