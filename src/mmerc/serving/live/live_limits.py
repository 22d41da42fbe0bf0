"""Limits of live sessions."""

from __future__ import annotations

from dataclasses import dataclass

PICTURES_PER_SECOND = 5.0
LARGEST_MESSAGE = 1_000_000  # bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveLimits:
    """At most ``sessions`` run at a time; times in seconds.

    A session ends after ``longest``, after ``longest_silence`` without speech, or after
    ``longest_pause`` without a message. Its results stay in memory for ``grace``. ``patience`` is
    the time limit for the first message and for reading, and the delay before a client is told that
    the service is behind.
    """

    sessions: int = 4
    longest: float = 7200.0
    longest_silence: float = 600.0
    longest_pause: float = 60.0
    grace: float = 600.0
    patience: float = 10.0
