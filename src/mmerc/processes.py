"""Worker processes: number of cores, start method, and ending with their parent."""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import (
    ForkServerContext,
    ForkServerProcess,
    SpawnContext,
    SpawnProcess,
)
from pathlib import Path
from typing import Any

_SLOW_IMPORTS = (
    "torch",
    "pyarrow.parquet",
    "scipy.stats",
    "sklearn.metrics",
    "transformers.modeling_utils",
    "lightning.pytorch",
    "av",
    "opensmile",
)
_starting = threading.Lock()
_LONGEST_SOCKET_FOLDER = 70  # bytes; a socket's path has at most 107, its name 32


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Disable garbage collection during slow imports, which saves a tenth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_context(*modules: str) -> ForkServerContext | SpawnContext:
    """Return a context whose workers are forked from a server with preloaded imports.

    The server starts with the first worker and imports ``modules`` and the slow libraries loaded in
    this process, once. It never computes, so its forks may use threads and GPUs. Workers have the
    environment of the server's start (see ``adopt_environment``). Ctrl-C does not reach them; their
    parent ends them. They do not import a main script without ``if __name__ == "__main__"``, which
    would run again in each of them.
    """
    if sys.platform != "linux" or not _has_room_for_socket():
        return _SpawnedWorkers()
    context = _ForkedWorkers()
    loaded = [name for name in _SLOW_IMPORTS if name in sys.modules]
    context.set_forkserver_preload([*loaded, *modules])
    with without_interrupts():
        forkserver.ensure_running()
    return context


class _ForkedWorker(ForkServerProcess):
    """A fork server process that does not run the parent's script again."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (multiprocessing's name)
        with _hidden_main_script():
            return ForkServerProcess._Popen(process_obj)


class _SpawnedWorker(SpawnProcess):
    """A new process that does not run the parent's script again."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (multiprocessing's name)
        with _hidden_main_script():
            return SpawnProcess._Popen(process_obj)


class _ForkedWorkers(ForkServerContext):
    Process = _ForkedWorker


class _SpawnedWorkers(SpawnContext):
    Process = _SpawnedWorker


@contextmanager
def _hidden_main_script() -> Iterator[None]:
    """Hide an unguarded main script from processes started in this block."""
    with _starting:
        main = sys.modules["__main__"]
        script = getattr(main, "__file__", None)
        if script is None or main.__spec__ is not None or _is_guarded(script):
            yield
            return
        del main.__file__
        try:
            yield
        finally:
            main.__file__ = script


@cache
def _is_guarded(script: str) -> bool:
    """Whether a script has a ``__main__`` guard."""
    try:
        return b"__main__" in Path(script).read_bytes()
    except OSError:
        return True


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Block SIGINT in processes started in this block; this process gets it afterwards."""
    resource_tracker.ensure_running()  # starting it later would unblock SIGINT
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _has_room_for_socket() -> bool:
    """Whether the temporary folder's path is short enough for the server's socket."""
    try:
        folder = os.fsencode(tempfile.gettempdir())
    except OSError:
        return False
    return len(folder) <= _LONGEST_SOCKET_FOLDER


def adopt_environment(variables: Mapping[str, str]) -> None:
    """Give this worker process its parent's environment variables."""
    os.environ.clear()
    os.environ.update(variables)


def end_with_parent() -> None:
    """End this worker process when its parent ends, for whatever reason."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    """Wait for the parent's end, then exit silently."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def end_process_tree(number: int) -> None:
    """Kill a process and its descendants, including stopped ones."""
    descendants = list_descendants(number)
    for process in (number, *descendants):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def list_descendants(number: int) -> list[int]:
    """Return the ids of all descendants of a process (Linux; else empty)."""
    try:
        tasks = list(Path(f"/proc/{number}/task").iterdir())
        children = [int(n) for task in tasks for n in (task / "children").read_text().split()]
    except OSError:
        return []
    return [*children, *(process for child in children for process in list_descendants(child))]


def measure_processor_time(numbers: Iterable[int]) -> float:
    """Return the processor seconds of processes and their ended children (Linux; else 0)."""
    ticks = 0
    for number in numbers:
        with suppress(OSError):
            fields = Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")
