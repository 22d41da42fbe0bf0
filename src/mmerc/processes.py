"""Worker processes that keep to their share of the cores and do not outlive who started them."""

from __future__ import annotations

import multiprocessing
import os
import threading


def available_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def leave_with_parent() -> None:
    """End this process when the one that started it ends, killed or not."""
    threading.Thread(target=wait_for_parent, daemon=True).start()


def wait_for_parent() -> None:
    """Wait, and go without a word: nobody is left to read it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
