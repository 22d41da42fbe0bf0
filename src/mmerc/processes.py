"""Cores for worker processes, how these start, and that they end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Mapping
from multiprocessing.context import ForkServerContext, SpawnContext

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


def available_cores() -> int:
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def worker_context(*modules: str) -> ForkServerContext | SpawnContext:
    """Context of worker processes that are forked from a server with slow imports already done.

    The server starts with the first worker and imports, once, ``modules`` and the slow libraries
    that this process has loaded. It never computes, so its forks may use threads and graphics
    cards. Workers have the environment that the server started with (see ``adopt_environment``).
    """
    if sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    loaded = [name for name in _SLOW_IMPORTS if name in sys.modules]
    context.set_forkserver_preload([*loaded, *modules])
    return context


def adopt_environment(variables: Mapping[str, str]) -> None:
    """Give this worker process its parent's environment variables."""
    os.environ.clear()
    os.environ.update(variables)


def leave_with_parent() -> None:
    """End this worker process as soon as its parent ends, however that happens."""
    threading.Thread(target=_wait_for_parent, daemon=True).start()


def _wait_for_parent() -> None:
    """Wait for the parent's end, then exit silently: nobody is left to read a message."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
