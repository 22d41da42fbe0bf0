"""Control how the C library handles freed memory (glibc only; elsewhere a no-op)."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # malloc.h


def c_library() -> Any:
    """The C library of this process; None except on Linux."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def keep_memory() -> None:
    """Make the C library keep large blocks of freed memory for later use.

    By default it returns them and maps them again, and page faults cost time.
    """
    library = c_library()
    if hasattr(library, "mallopt"):
        library.mallopt(_MMAP_THRESHOLD, 32 << 20)  # the maximum
        library.mallopt(_TRIM_THRESHOLD, 512 << 20)


def return_free_memory() -> None:
    """Return the free memory between blocks in use to the system.

    Inputs of many different sizes fragment memory, and the gaps between blocks grow.
    """
    if hasattr(library := c_library(), "malloc_trim"):
        library.malloc_trim(0)
