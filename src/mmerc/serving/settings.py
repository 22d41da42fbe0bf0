"""Settings of the service."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mmerc.errors import UsageError
from mmerc.serving.live.live_limits import LiveLimits

LOOPBACK = ("127.0.0.1", "localhost", "::1")
GIGABYTE = 2**30
_PREFIX = re.compile(r"(/[\w.~-]+)+", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of the service; times in seconds, sizes in bytes.

    ``folder`` contains the jobs and their files. ``model`` as for the pipeline. ``key``: API key
    that clients must send. ``hosts``: allowed host names, None for any. ``root_path``: URL prefix
    behind a proxy ("/mmerc"). ``max_jobs``: limit of unfinished jobs, of which
    ``max_running_jobs`` run. ``longest_job``, ``memory`` (per process), ``longest_recording``:
    limits of a job. ``longest_silence``: a worker without a heartbeat for this time is replaced.
    ``keep``: time until a finished job's files are deleted. ``shared``: other servers and workers
    use the jobs too; their states are in ``jobs_database``, the URL of a PostgreSQL database (None:
    SQLite in ``folder``). ``example``: a demonstration film, with subtitles next to it.
    ``live_model``: the model of live sessions (None: mmerc-mini-live); ``live``: their limits.
    """

    folder: Path
    model: str | None = None
    commercial_only: bool = False
    key: str | None = None
    hosts: tuple[str, ...] | None = LOOPBACK
    root_path: str = ""
    largest_upload: int = 2 * GIGABYTE
    longest_upload: float = 3600.0
    longest_recording: float = 7200.0
    longest_job: float = 4 * 3600.0
    longest_silence: float = 15.0
    memory: int = 8 * GIGABYTE
    keep: float = 3600.0
    max_jobs: int = 16
    max_running_jobs: int = 1
    shared: bool = False
    jobs_database: str | None = field(default=None, repr=False)  # may contain a password
    example: Path | None = None
    live_model: str | None = None
    live: LiveLimits = field(default_factory=LiveLimits)


def normalise_root_path(value: str) -> str:
    """Normalise a prefix: leading slash, no trailing slash; UsageError if it is not a path."""
    path = "/" + value.strip().strip("/")
    if path == "/":
        return ""
    if not _PREFIX.fullmatch(path):
        raise UsageError(f"--root-path {value!r} is not a path prefix; give one such as /mmerc.")
    return path
