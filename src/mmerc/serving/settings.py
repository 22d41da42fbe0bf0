"""What whoever runs the service decides."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GIGABYTE = 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Limits of the service; times in seconds, sizes in bytes.

    ``folder`` holds the jobs and what belongs to them. ``model`` as for the pipeline. ``key``: who
    asks must show it. ``hosts``: names under which browsers may reach the service, None for any.
    ``waiting``: jobs that may be there and not over; ``parallel``: how many are worked at a time.
    A job takes at most ``longest_job`` and each of its processes ``memory``; a recording lasts at
    most ``longest_recording``. ``keep``: until the job's files go, from its end. ``example``: a
    film to try, its subtitles beside it.
    """

    folder: Path
    model: str | None = None
    commercial_only: bool = False
    key: str | None = None
    hosts: tuple[str, ...] | None = LOOPBACK
    largest_upload: int = 2 * GIGABYTE
    longest_upload: float = 3600.0
    longest_recording: float = 7200.0
    longest_job: float = 4 * 3600.0
    memory: int = 8 * GIGABYTE
    keep: float = 3600.0
    waiting: int = 16
    parallel: int = 1
    example: Path | None = None
