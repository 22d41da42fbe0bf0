"""Threads that give each job a process, watch it, and see to its end."""

from __future__ import annotations

import logging
import multiprocessing
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Literal

from mmerc.inference.pipeline.progress import Step
from mmerc.processes import available_cores
from mmerc.serving.jobs import Job, Jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.settings import Settings
from mmerc.serving.worker import Ended, Task, work

LOG = logging.getLogger("mmerc.serving")
PAUSE = 0.2  # seconds between two looks at the jobs, at a worker, and at the clock
EXPIRY = 30.0  # seconds between two looks for what is out of date
TROUBLE = 1.0  # seconds until what the disk refused is tried again
TWICE = "Its process was killed twice, perhaps for want of memory; try a shorter recording."
Verdict = Literal["ended", "died", "deleted", "stopped"]


@dataclass
class Runner:
    """Works the jobs off; ``stop`` leaves what is not done to the next start."""

    jobs: Jobs
    settings: Settings
    metrics: Metrics
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin, with what an earlier server left."""
        tasks = [self.work_off] * self.settings.parallel + [self.expire]
        self.threads = [threading.Thread(target=task, daemon=True) for task in tasks]
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """End the workers; their jobs wait for the next start, and go on from where they were."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def work_off(self) -> None:
        """One job after the other."""
        while not self.stopping.wait(PAUSE):
            with self.bearing_trouble("queue"):
                job = self.jobs.claim()
                if job is not None:
                    self.see_through(job)

    def expire(self) -> None:
        """Throw away what is out of date."""
        while not self.stopping.wait(min(EXPIRY, self.settings.keep / 4)):
            with self.bearing_trouble("expiry"):
                self.metrics.expired.inc(self.jobs.expire(keep=self.settings.keep))

    @contextmanager
    def bearing_trouble(self, where: str) -> Iterator[None]:
        """Trouble with the disk or for want of processes is waited for, not died of."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            LOG.error("%s: %s", where, type(error).__name__)
            self.stopping.wait(TROUBLE)

    def see_through(self, job: Job) -> None:
        """Have a job worked on, and write its end down as soon as the disk takes it."""
        LOG.info("job %s begins", job.id[:8])
        verdict: Verdict = "stopped"
        reason: str | None = None
        with self.bearing_trouble("worker"):
            verdict, reason = self.run_worker(job)
        LOG.info("job %s %s%s", job.id[:8], verdict, ": failed" if reason else "")
        while not self.settled(job, verdict, reason) and not self.stopping.is_set():
            pass

    def settled(self, job: Job, verdict: Verdict, reason: str | None) -> bool:
        """Whether a job's end could be written down."""
        with self.bearing_trouble("end of a job"):
            self.settle(job, verdict, reason)
            return True
        return False

    def run_worker(self, job: Job) -> tuple[Verdict, str | None]:
        """Work on a job in a process of its own."""
        context = multiprocessing.get_context("spawn")
        heard, said = context.Pipe(duplex=False)
        process = context.Process(target=work, args=(self.task(job), said))
        process.start()
        said.close()
        with heard:
            try:
                return self.watch(job, process, heard)
            finally:
                process.kill()
                process.join()

    def task(self, job: Job) -> Task:
        return Task(
            folder=self.jobs.folder(job.id),
            name=job.name,
            model=self.settings.model,
            commercial_only=self.settings.commercial_only,
            longest_recording=self.settings.longest_recording,
            memory=self.settings.memory,
            workers=max(1, available_cores() // self.settings.parallel),
        )

    def watch(
        self, job: Job, process: SpawnProcess, heard: Connection
    ) -> tuple[Verdict, str | None]:
        """Follow a worker until it says its last word, dies, or is wanted no more."""
        deadline = time.monotonic() + self.settings.longest_job
        while not self.stopping.is_set():
            latest: Step | None = None
            try:
                while heard.poll(PAUSE if latest is None else 0):
                    message = heard.recv()
                    if isinstance(message, Ended):
                        process.join(timeout=5.0)
                        return "ended", message.reason
                    latest = message
            except EOFError:
                return "died", None
            if not self.wanted(job, latest):
                return "deleted", None
            if time.monotonic() > deadline:
                minutes = f"{self.settings.longest_job / 60:g}"
                return "ended", f"It took longer than {minutes} minutes; try a shorter recording."
        return "stopped", None

    def wanted(self, job: Job, latest: Step | None) -> bool:
        """Note how far a job is; False where somebody deleted it."""
        try:
            return (
                self.jobs.advance(job.id, latest) if latest else self.jobs.get(job.id) is not None
            )
        except sqlite3.Error:  # no room to say how far it is
            return True

    def settle(self, job: Job, verdict: Verdict, reason: str | None) -> None:
        """Write a job's end down, or that it begins again."""
        if verdict == "deleted":
            shutil.rmtree(self.jobs.folder(job.id), ignore_errors=True)
        elif verdict == "stopped":
            self.jobs.again(job.id, died=False)
        elif verdict == "died" and job.deaths == 0:
            self.jobs.again(job.id, died=True)
            self.metrics.restarted.inc()
        else:
            shutil.rmtree(self.jobs.folder(job.id) / "work", ignore_errors=True)
            reason = TWICE if verdict == "died" else reason
            self.jobs.end(job.id, reason)
            self.metrics.ended.labels("done" if reason is None else "failed").inc()
