"""Errors of a full disk."""

from __future__ import annotations

import errno
import sqlite3

_FULL_CODES = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
DISK_FULL = "The service's disk is full; try again later."
NOT_WRITABLE = "The service cannot write to its disk; try again later."


def is_full(error: BaseException | None) -> bool:
    """Whether an error, or its cause, means that a disk is full."""
    if error is None:
        return False
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return True
    return (isinstance(error, OSError) and error.errno in _FULL_CODES) or is_full(error.__cause__)
