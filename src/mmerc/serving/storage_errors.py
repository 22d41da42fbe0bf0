"""A disk that takes no more: how it is told, and what is said of it."""

from __future__ import annotations

import errno
import sqlite3

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
NO_ROOM = "The service has no room on its disk; try again later."
NOT_WRITABLE = "The service cannot write to its disk; try again later."


def is_full(error: BaseException | None) -> bool:
    """Whether want of room is what an error, or what caused it, is about."""
    if error is None:
        return False
    if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
        return True
    return (isinstance(error, OSError) and error.errno in FULL) or is_full(error.__cause__)
