"""What the C library does with memory that a training step has freed (glibc; elsewhere nothing)."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import lightning

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h
_TRIM_EVERY = 100  # steps: a fraction of a percent of their time


def keep_memory() -> None:
    """Let the C library keep large blocks for the next step instead of returning them.

    By default large blocks are mapped again at every step, and page faults cost time.
    """
    library = _c_library()
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, 32 << 20)  # the largest it allows
        library.mallopt(_TRIM_THRESHOLD, 512 << 20)


class MemoryRelease(lightning.Callback):
    """Returns free memory to the system now and then.

    Batches differ in shape, so the gaps between kept blocks grow over a training: fine-tuning
    MiniLM needs 0.8 GB after a release, 1.5 GB ten steps later, and without one 4 GB and more.
    """

    def __init__(self) -> None:
        self._steps = 0

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        self._steps += 1  # of all epochs: they may be shorter
        if self._steps % _TRIM_EVERY == 0 and hasattr(library := _c_library(), "malloc_trim"):
            library.malloc_trim(0)


def _c_library() -> Any:
    """The C library of this process; None but on Linux."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None
