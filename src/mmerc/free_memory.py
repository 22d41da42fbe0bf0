"""What the C library does with memory that was freed (glibc; elsewhere nothing)."""

from __future__ import annotations

import ctypes
import sys
from typing import Any


def c_library() -> Any:
    """The C library of this process; None but on Linux."""
    return ctypes.CDLL(None) if sys.platform == "linux" else None


def return_free_memory() -> None:
    """Return the free memory between blocks in use to the system.

    Work on inputs of ever new sizes scatters its blocks, and the gaps between them grow.
    """
    if hasattr(library := c_library(), "malloc_trim"):
        library.malloc_trim(0)
