"""Processes that run jobs and canaries: how they start, show that they live, and end."""

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
    leave_with_parent,
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
_BEAT = 1.0  # seconds between two signs of life
_END = 5.0  # seconds for a killed process to be gone
_WORKING = 0.5  # seconds of processor time that show that a worker still computes
_LONGEST_STEP = 1.0  # seconds; more between two looks is a delay of ours, or of the whole machine
_starting: set[int] = set()  # threads that wait for a new process


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """A sign of life: the seconds that a worker and its children have computed so far."""

    computed: float


@dataclass
class Pulse:
    """Seconds for which a worker has sent nothing (``silent``) and computed nothing (``idle``).

    Only time in which the watcher itself was running counts.
    """

    silent: float = 0.0
    idle: float = 0.0
    computed: float = 0.0

    def wait(self, seconds: float) -> None:
        """Count time that passed."""
        counted = min(seconds, _LONGEST_STEP)
        self.silent += counted
        self.idle += counted

    def receive(self, message: object) -> None:
        """Take note of a message of the worker."""
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
            with _noting_start(), without_interrupts():
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
def _noting_start() -> Iterator[None]:
    """Note that this thread waits for a new process."""
    _starting.add(threading.get_ident())
    try:
        yield
    finally:
        _starting.discard(threading.get_ident())


@dataclass
class ForkserverWatch:
    """Notices when the process that forks workers hangs while somebody waits for a new one."""

    number: int | None = None
    computed: float = 0.0
    since: float = 0.0

    def kill_if_stuck(self, *, limit: float) -> bool:
        """Kill it if it computed nothing for ``limit`` seconds, and return whether it was killed.

        Starts that wait for it then fail, and the next one starts another. Its own start, which
        imports torch, may take long, but computes.
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
    """In a worker: answer that nothing is wrong."""
    leave_with_parent()
    sender.send(None)


def start_heartbeat(sender: Connection) -> Callable[[object], None]:
    """In a worker: send signs of life from now on, and return the function that sends the rest."""
    lock = threading.Lock()

    def send(message: object) -> None:
        with lock:
            sender.send(message)

    def beat() -> None:
        while True:
            numbers = (os.getpid(), *list_descendants(os.getpid()))
            try:
                send(Heartbeat(measure_processor_time(numbers)))
            except OSError:  # nobody listens any more
                os._exit(1)
            time.sleep(_BEAT)

    threading.Thread(target=beat, daemon=True).start()
    return send
