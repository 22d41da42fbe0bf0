"""Refusal of a message."""

from __future__ import annotations

from typing import Literal

ErrorCode = Literal[
    "message",
    "protocol",
    "sound",
    "picture",
    "session",
    "busy",
    "overloaded",
    "too_large",
    "limit",
    "idle",
    "disk",
    "unavailable",
    "internal",
]


class RefusedError(Exception):
    """An invalid message: a code for programs and one sentence for people.

    ``fatal``: the session ends.
    """

    def __init__(self, code: ErrorCode, message: str, *, fatal: bool = True) -> None:
        super().__init__(message)
        self.code, self.message, self.fatal = code, message, fatal
