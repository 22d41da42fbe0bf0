"""Workers of a Ray cluster."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from mmerc.errors import MmercError
from mmerc.executors.pool import NodeLostError, WorkerLostError

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")


class RayPool:
    """Ray tasks of ``threads`` cores each (by default the cluster's cores divided by ``jobs``).

    Ray never retries a task that killed its worker. A process ends after ``items_per_process``
    tasks, unless None.
    """

    breaks: ClassVar[bool] = False

    def __init__(
        self, jobs: int, *, threads: int | None, items_per_process: int | None = None
    ) -> None:
        self.ray = _connect()
        self.threads = threads or max(1, count_cores() // jobs)
        options = {"num_cpus": self.threads, "max_retries": 0, "max_calls": items_per_process or 0}
        self.remote = self.ray.remote(**options)(_run_with_threads)

    def submit(self, function: Callable[[_Item], _Outcome], item: _Item) -> Future[_Outcome]:
        future: Future[_Outcome] = self.remote.remote(function, item, self.threads).future()
        return future

    def failure(self, error: BaseException) -> BaseException:
        """Return the item's exception if a user can fix it, or an error for a lost worker."""
        exceptions = self.ray.exceptions
        cause = getattr(error, "cause", None)
        if isinstance(cause, MmercError):
            return cause
        if isinstance(error, (exceptions.NodeDiedError, exceptions.ObjectLostError)):
            return NodeLostError()
        lost = isinstance(error, exceptions.RayError) and cause is None
        return WorkerLostError() if lost else error


def count_cores() -> int:
    """Count the cores of the cluster, at least one; MmercError if Ray is not installed."""
    return max(1, int(_connect().cluster_resources().get("CPU", 1)))


def _connect() -> Any:
    """Connect to the cluster, or start one here; MmercError if Ray is not installed."""
    # Ray prints node events on stdout, which is reserved for results.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", "^")
    try:
        import ray
    except ImportError as error:
        problem = "--engine ray needs Ray; install it with: pip install 'mmerc[scale]'."
        raise MmercError(problem) from error
    if not ray.is_initialized():
        _set_token()
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    return ray


def _set_token() -> None:
    """Give a new cluster its own token; Ray would store one in the home folder."""
    chosen = ("RAY_ADDRESS", "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
    stored = Path(os.path.expanduser("~/.ray/auth_token"))  # noqa: PTH111 (there may be no home)
    if not any(name in os.environ for name in chosen) and not stored.exists():
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)


def _run_with_threads(function: Callable[[_Item], _Outcome], item: _Item, threads: int) -> _Outcome:
    """Run one item in a worker limited to its share of the cores."""
    import torch

    torch.set_num_threads(threads)
    return function(item)
