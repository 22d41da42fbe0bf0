"""Control how the C library handles freed memory (glibc only; elsewhere a no-op)."""

from __future__ import annotations

import ctypes
import sys
from typing import Any


def c_library() -> Any:
    """The C library of this process; None except on Linux."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def return_free_memory() -> None:
    """Return the free memory between blocks in use to the system.

    Inputs of many different sizes fragment memory, and the gaps between blocks grow.
    """
    if hasattr(library := c_library(), "malloc_trim"):
        library.malloc_trim(0)
