"""Threads that run each job in a separate process and record its end."""

from __future__ import annotations

import logging
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
from mmerc.processes import available_cores
from mmerc.serving.job_order import JobOrder
from mmerc.serving.jobs import LEASE, Job, Jobs
from mmerc.serving.jobs_database import DatabaseError
from mmerc.serving.monitoring import Metrics
from mmerc.serving.settings import Settings
from mmerc.serving.worker import AnalysisTask, Ended, run_task
from mmerc.serving.worker_process import ForkserverWatch, Pulse, worker_process

_LOG = logging.getLogger("mmerc.serving")
_POLL = 0.2  # seconds between polls of jobs, workers and the clock
_EXPIRY = 30.0  # seconds between two searches for expired jobs
_RETRY = 1.0  # seconds until the disk is tried again
_REPORT = 3.0  # seconds between two reports to other processes
_SUSPICIOUS = 3.0  # seconds without a heartbeat of a thread or worker until /ready reports it
_LONGEST_IDLE = 120.0  # seconds without processor time of a worker and its children
_LONGEST_START = 20.0  # seconds without processor time of the fork server
_KILLED_TWICE = "Its process was killed twice, perhaps out of memory; try a shorter recording."
_DAMAGED_ORDER = "Its request can no longer be read; send it again."
_HUNG_TWICE = "Its process stopped answering twice; try again, or report it."
_Verdict = Literal["ended", "died", "hung", "deleted", "lost", "stopped"]


@dataclass
class Lane:
    """Heartbeats of a thread that runs jobs, and of its worker.

    ``moved``: time of the thread's last heartbeat (monotonic).
    """

    moved: float = field(default_factory=time.monotonic)
    pulse: Pulse | None = None

    def move(self) -> None:
        self.moved = time.monotonic()

    def problem(self) -> str | None:
        """Return a sentence if the thread or its worker is unresponsive."""
        still = time.monotonic() - self.moved
        if still > _SUSPICIOUS:
            return f"A thread that runs jobs has made no progress for {still:.0f} s."
        if self.pulse is not None and self.pulse.silent > _SUSPICIOUS:
            return f"The worker of a job has not answered for {self.pulse.silent:.0f} s."
        return None


@dataclass
class Runner:
    """Runs jobs; after ``stop``, the next start or other workers continue unfinished ones.

    ``trouble``: an additional problem to report to other processes.
    """

    jobs: Jobs
    settings: Settings
    metrics: Metrics
    stopping: threading.Event = field(default_factory=threading.Event)
    threads: list[threading.Thread] = field(default_factory=list)
    lanes: list[Lane] = field(default_factory=list)
    failing: dict[str, str] = field(default_factory=dict)
    trouble: str | None = None

    def start(self) -> None:
        """Start, including jobs left by an earlier server."""
        self.lanes = [Lane() for _ in range(self.settings.max_running_jobs)]
        tasks = [(self.run_jobs, (lane,)) for lane in self.lanes]
        self.threads = [threading.Thread(target=t, args=a, daemon=True) for t, a in tasks]
        for task in (self.expire, self.supervise):
            self.threads.append(threading.Thread(target=task, daemon=True))
        for thread in self.threads:
            thread.start()

    def stop(self) -> None:
        """Stop the workers; their jobs resume on the next start."""
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def problems(self) -> list[str]:
        """Return a sentence for each unresponsive thread or worker."""
        return [problem for lane in self.lanes if (problem := lane.problem()) is not None]

    def run_jobs(self, lane: Lane) -> None:
        """Run one job after another."""
        while not self.stopping.wait(_POLL):
            lane.move()
            with self.surviving_errors("queue"):
                job = self.jobs.claim()
                if job is not None:
                    self.run_job(job, lane)

    def expire(self) -> None:
        """Delete expired jobs."""
        while not self.stopping.wait(min(_EXPIRY, self.settings.keep / 4)):
            with self.surviving_errors("expiry"):
                self.metrics.expired.inc(self.jobs.expire(keep=self.settings.keep))

    def supervise(self) -> None:
        """Replace the fork server if it hangs, and report to other processes."""
        watch, reported = ForkserverWatch(), 0.0
        while not self.stopping.wait(_RETRY):
            if watch.kill_if_stuck(limit=_LONGEST_START):
                _LOG.error("workers: the process that forks them hung and was killed")
            if self.jobs.shared and time.monotonic() - reported > _REPORT:
                reported = time.monotonic()
                with self.surviving_errors("report"):
                    problem = " ".join(self.problems()) or self.trouble
                    self.jobs.report(jobs=len(self.lanes), problem=problem)

    @contextmanager
    def surviving_errors(self, where: str) -> Iterator[None]:
        """Log errors and wait instead of exiting: the disk or the system may recover.

        A persistent error is logged once.
        """
        try:
            yield
            self.failing.pop(where, None)
        except Exception as error:
            name = type(error).__name__
            if self.failing.get(where) != name:
                _LOG.error("%s: %s", where, name)
            self.failing[where] = name
            self.stopping.wait(_RETRY)

    def run_job(self, job: Job, lane: Lane) -> None:
        """Run a job and record its end as soon as the disk is writable."""
        _LOG.info("job %s starts", job.id[:8])
        verdict: _Verdict = "stopped"
        ended, started = Ended(), time.monotonic()
        if job.deaths > 1:
            verdict = "died"  # two of its workers were killed together with their watchers
        else:
            with self.surviving_errors("worker"):
                verdict, ended = self.run_worker(job, lane)
        seconds = time.monotonic() - started
        outcome = ended.outcome if verdict == "ended" else verdict
        _LOG.info("job %s: %s after %.1f s", job.id[:8], outcome, seconds)
        while not self.try_to_record_end(job, verdict, ended) and not self.stopping.is_set():
            lane.move()
        if verdict == "hung":
            self.metrics.hung.inc()
        if verdict == "ended":
            self.metrics.job_seconds.labels(ended.outcome).observe(seconds)
            if ended.duration:
                self.metrics.real_time_factor.observe(seconds / ended.duration)

    def try_to_record_end(self, job: Job, verdict: _Verdict, ended: Ended) -> bool:
        """Record the end of a job; return whether that succeeded."""
        with self.surviving_errors("end of a job"):
            self.record_end(job, verdict, ended)
            return True
        return False

    def run_worker(self, job: Job, lane: Lane) -> tuple[_Verdict, Ended]:
        """Run a job in a separate process."""
        try:
            task = self.task(job)
        except ValueError:  # not retried, because that would block all later jobs
            return "ended", Ended(failure=_DAMAGED_ORDER)
        with worker_process(run_task, task) as (process, receiver):
            lane.pulse = Pulse()
            try:
                return self.watch(job, process, receiver, lane=lane, pulse=lane.pulse)
            finally:
                lane.pulse = None

    def task(self, job: Job) -> AnalysisTask:
        folder = self.jobs.folder(job.id)
        order = JobOrder.read(folder)
        return AnalysisTask(
            folder=folder,
            name=job.name,
            corrected=None if order.corrects is None else self.jobs.folder(order.corrects),
            sets=order.sets,
            cut=order.cut,
            model=self.settings.model,
            commercial_only=self.settings.commercial_only,
            longest_recording=self.settings.longest_recording,
            memory=self.settings.memory,
            workers=max(1, available_cores() // self.settings.max_running_jobs),
        )

    def watch(
        self, job: Job, process: BaseProcess, receiver: Connection, *, lane: Lane, pulse: Pulse
    ) -> tuple[_Verdict, Ended]:
        """Watch a worker until it ends, dies or hangs, or its job is deleted."""
        started = looked = renewed = time.monotonic()
        while not self.stopping.is_set():
            lane.move()
            latest: Step | None = None
            try:
                while receiver.poll(_POLL if latest is None else 0):
                    message = receiver.recv()
                    pulse.receive(message)
                    if isinstance(message, Ended):
                        process.join(timeout=5.0)
                        return "ended", message
                    latest = message if isinstance(message, Step) else latest
            except EOFError:
                return "died", Ended()
            now = time.monotonic()
            renewing = now - renewed > LEASE / 5
            renewed = now if renewing else renewed
            if not self.keep(job, latest, renewing=renewing):
                return ("deleted" if self.jobs.get(job.id) is None else "lost"), Ended()
            pulse.wait(now - looked)
            looked = now
            if pulse.silent > self.settings.longest_silence or pulse.idle > _LONGEST_IDLE:
                return "hung", Ended()
            if now - started > self.settings.longest_job:
                minutes = f"{self.settings.longest_job / 60:g}"
                failure = f"It took longer than {minutes} minutes; try a shorter recording."
                return "ended", Ended(failure=failure)
        return "stopped", Ended()

    def keep(self, job: Job, latest: Step | None, *, renewing: bool) -> bool:
        """Record progress and renew the claim; False if the job was deleted or lost."""
        try:
            if latest is not None and not self.jobs.advance(job.id, latest, claim=job.claim):
                return False
            if renewing:
                return self.jobs.renew(job.id, job.claim)
            current = self.jobs.get(job.id)
            return current is not None and current.claim == job.claim
        except (sqlite3.Error, DatabaseError):  # no space to record the progress
            return True

    def record_end(self, job: Job, verdict: _Verdict, ended: Ended) -> None:
        """Record the end of a job, or requeue it."""
        if verdict == "deleted":
            shutil.rmtree(self.jobs.folder(job.id), ignore_errors=True)
        elif verdict == "lost":
            _LOG.warning("job %s is run by another worker", job.id[:8])
        elif verdict == "stopped":
            self.jobs.requeue(job.id, died=False, claim=job.claim)
        elif verdict in {"died", "hung"} and job.deaths == 0:
            self.jobs.requeue(job.id, died=True, claim=job.claim)
            self.metrics.restarted.inc()
        else:
            shutil.rmtree(self.jobs.folder(job.id) / "work", ignore_errors=True)
            if verdict != "ended":
                ended = Ended(failure=_KILLED_TWICE if verdict == "died" else _HUNG_TWICE)
            self.jobs.end(job.id, ended.outcome, ended.reasons, claim=job.claim)
            self.metrics.ended.labels(ended.outcome).inc()
