"""Processes that run jobs and canaries: start, heartbeat and end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import forkserver
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from mmerc.processes import (
    end_process_tree,
    end_with_parent,
    list_descendants,
    measure_processor_time,
    without_interrupts,
    worker_context,
)

_NEEDED_BY_JOBS = (
    "mmerc.inference.pipeline.pipeline",
    "mmerc.inference.results",
    "mmerc.serving.worker",
    "mmerc.cli",  # a worker imports the main program
)
_BEAT = 1.0  # seconds between two heartbeats
_END = 5.0  # seconds to wait for a killed process
_WORKING = 0.5  # seconds of processor time that count as activity of a worker
_LONGEST_STEP = 1.0  # seconds; more between two polls is a delay of ours or of the machine
_starting: set[int] = set()  # threads that wait for a new process


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A heartbeat: total processor seconds of a worker and its children."""

    computed: float


@dataclass
class Pulse:
    """Seconds since a worker last sent something (``silent``) and computed (``idle``).

    Counts only time in which the watcher itself was running.
    """

    silent: float = 0.0
    idle: float = 0.0
    computed: float = 0.0

    def wait(self, seconds: float) -> None:
        """Add elapsed time."""
        counted = min(seconds, _LONGEST_STEP)
        self.silent += counted
        self.idle += counted

    def receive(self, message: object) -> None:
        """Process a message of the worker."""
        self.silent = 0.0
        if isinstance(message, Heartbeat):
            if message.computed < self.computed + _WORKING:
                return
            self.computed = message.computed
        self.idle = 0.0


@contextmanager
def worker_process(
    target: Callable[..., None], *arguments: object
) -> Iterator[tuple[BaseProcess, Connection]]:
    """Start ``target(*arguments, sender, environment)``; kill it and its children at the end.

    OSError if no process can be started.
    """
    context = worker_context(*_NEEDED_BY_JOBS)
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(*arguments, sender, dict(os.environ)))
    with receiver:
        try:
            with _registered_start(), without_interrupts():
                process.start()
        except EOFError as error:
            raise ConnectionError("the process that forks workers was killed") from error
        finally:
            sender.close()
        try:
            yield process, receiver
        finally:
            if process.pid is not None and process.is_alive():
                end_process_tree(process.pid)
            process.join(timeout=_END)


@contextmanager
def _registered_start() -> Iterator[None]:
    """Register that this thread is waiting for a new process."""
    _starting.add(threading.get_ident())
    try:
        yield
    finally:
        _starting.discard(threading.get_ident())


@dataclass
class ForkserverWatch:
    """Detects a fork server that hangs while a new process is requested."""

    number: int | None = None
    computed: float = 0.0
    since: float = 0.0

    def kill_if_stuck(self, *, limit: float) -> bool:
        """Kill it after ``limit`` seconds without processor time; return whether it was killed.

        Pending starts then fail, and the next one starts a new fork server. Its own start may take
        long because it imports torch, but uses processor time.
        """
        number: int | None = getattr(forkserver._forkserver, "_forkserver_pid", None)
        computed = 0.0 if number is None else measure_processor_time([number])
        now = time.monotonic()
        if number is None or not _starting or (number, computed) != (self.number, self.computed):
            self.number, self.computed, self.since = number, computed, now
            return False
        if now - self.since < limit:
            return False
        with suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
        return True


def answer_canary(sender: Connection, environment: Mapping[str, str]) -> None:
    """Answer that there is no problem (runs in the worker process)."""
    end_with_parent()
    sender.send(None)


def start_heartbeat(sender: Connection) -> Callable[[object], None]:
    """Start sending heartbeats (in the worker process); return a function for other messages."""
    lock = threading.Lock()

    def send(message: object) -> None:
        with lock:
            sender.send(message)

    def beat() -> None:
        while True:
            numbers = (os.getpid(), *list_descendants(os.getpid()))
            try:
                send(Heartbeat(measure_processor_time(numbers)))
            except OSError:  # the receiver is gone
                os._exit(1)
            time.sleep(_BEAT)

    threading.Thread(target=beat, daemon=True).start()
    return send
