"""One interface for both engines: local processes (``local``) and a Ray cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import Any, Literal, TypeVar

from mmerc.executors.pool import NodeLostError, Pool, Prepared, WorkerLostError
from mmerc.processes import available_cores

_Item = TypeVar("_Item")
_Outcome = TypeVar("_Outcome")
Engine = Literal["local", "ray"]

_NODE_DEATHS = 3  # [decided] lost machines after which an item is tried alone


def count_workers(engine: Engine) -> int:
    """Count the cores of an engine: of this machine, or of the cluster."""
    if engine == "ray":
        from mmerc.executors.cluster import count_cores

        return count_cores()
    return available_cores()


@dataclass(frozen=True, slots=True, kw_only=True)
class Executor:
    """Runs up to ``jobs`` items at a time; one local job runs in this process.

    Functions, items and outcomes must be picklable; on a cluster, every node must have access to
    the files. With ``isolated``, ``stream`` uses separate processes even for a single job, so that
    an item cannot kill this process. Processes are replaced after about ``items_per_process``
    items. Modules in ``preload`` are imported once for all local processes.
    """

    jobs: int = 1
    engine: Engine = "local"
    isolated: bool = False
    items_per_process: int | None = None
    preload: tuple[str, ...] = ()

    def start_imports(self) -> None:
        """Start the imports of local processes in the background, if they will be needed soon."""
        if self.engine == "local" and self.jobs > 1:
            from mmerc.executors.local import start_imports

            start_imports(self.preload)

    @contextmanager
    def start(self) -> Iterator[Workers]:
        """Start workers that share the cores until the block ends."""
        if self.engine == "local" and self.jobs <= 1:
            yield Workers(jobs=1, pool=None, runs_single_items=True)
            return
        with self._open_pool(self.jobs) as pool:
            yield Workers(jobs=self.jobs, pool=pool, runs_single_items=self.engine == "local")

    def map(self, function: Callable[[_Item], _Outcome], items: Iterable[_Item]) -> list[_Outcome]:
        """Return the outcomes of all items, in order (see ``Workers.map``)."""
        with self.start() as workers:
            return workers.map(function, items)

    def stream(
        self,
        prepare: Callable[[], Callable[[_Item], _Outcome]],
        items: Sequence[_Item],
        *,
        lost: Callable[[_Item], _Outcome],
    ) -> Iterator[_Outcome]:
        """Yield outcomes in order of completion, one thread per worker.

        ``prepare`` is called once per process and returns the function to apply. An item that
        kills its process, even when it runs alone, has the outcome ``lost(item)``; other items
        are not affected. If a machine is lost, its items are retried.
        """
        if self.engine == "local" and self.jobs <= 1 and not self.isolated:
            yield from map(prepare(), items)
            return
        function = Prepared.create(prepare)
        ahead = 2 * self.jobs if self.engine == "local" else self.jobs
        queue = list(enumerate(items))
        limit = self._count_per_pool(len(queue))
        deaths: Counter[int] = Counter()
        while queue:
            remaining = iter(queue[:limit])
            suspects, again = list[int](), list[int]()
            with self._open_pool(self.jobs, threads=1) as pool:
                numbered = _outcomes(pool, function, remaining, ahead=ahead, stops=pool.breaks)
                for number, outcome in numbered:
                    if not isinstance(outcome, WorkerLostError):
                        yield outcome
                        continue
                    innocent = isinstance(outcome, NodeLostError)
                    deaths[number] += innocent
                    innocent &= deaths[number] < _NODE_DEATHS
                    (again if innocent else suspects).append(number)
            for number in suspects:
                yield self._alone(function, items[number], lost=lost)
            queue = [*((n, items[n]) for n in again), *remaining, *queue[limit:]]

    def _count_per_pool(self, items: int) -> int:
        """Return the number of items after which local processes are replaced."""
        if self.engine == "ray" or self.items_per_process is None:
            return items
        return self.items_per_process * self.jobs

    def _alone(
        self,
        function: Callable[[_Item], _Outcome],
        item: _Item,
        *,
        lost: Callable[[_Item], _Outcome],
    ) -> _Outcome:
        """Run one item in a separate process, so that a killed process is due to this item."""
        with self._open_pool(1, threads=1) as pool:
            ((_, outcome),) = _outcomes(pool, function, iter([(0, item)]), ahead=1, stops=True)
        return lost(item) if isinstance(outcome, WorkerLostError) else outcome

    @contextmanager
    def _open_pool(self, jobs: int, *, threads: int | None = None) -> Iterator[Pool]:
        """Open the engine's pool; ``threads`` per worker are an equal share by default."""
        if self.engine == "ray":
            from mmerc.executors.cluster import RayPool

            yield RayPool(jobs, threads=threads, items_per_process=self.items_per_process)
            return
        from mmerc.executors.local import open_processes

        with open_processes(jobs, threads=threads, preload=self.preload) as processes:
            yield processes


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Running workers of an executor; without a pool, the current process."""

    jobs: int
    pool: Pool | None
    runs_single_items: bool

    def map(self, function: Callable[[_Item], _Outcome], items: Iterable[_Item]) -> list[_Outcome]:
        """Return the outcomes of all items, in order; a single item runs in this process.

        After a failure no more items start, running items are finished, and the first failure is
        raised: the exception of ``function``, or MmercError for a killed worker.
        """
        items = list(items)
        if self.pool is None or (self.runs_single_items and len(items) <= 1):
            return [function(item) for item in items]
        numbered = iter(enumerate(items))
        outcomes = dict(_outcomes(self.pool, function, numbered, ahead=self.jobs, stops=True))
        for outcome in outcomes.values():
            if isinstance(outcome, WorkerLostError):
                raise outcome
        return [_returned(outcomes[number]) for number in range(len(items))]


def _returned(outcome: _Outcome | WorkerLostError) -> _Outcome:
    """Return an outcome that cannot be an error (for the type checker)."""
    if isinstance(outcome, WorkerLostError):
        raise outcome
    return outcome


def _outcomes(
    pool: Pool,
    function: Callable[[_Item], _Outcome],
    items: Iterator[tuple[int, _Item]],
    *,
    ahead: int,
    stops: bool,
) -> Iterator[tuple[int, _Outcome | WorkerLostError]]:
    """Yield numbered outcomes in order of completion; raise a failure at the end.

    After a failure no more items start. A lost worker counts as a failure if ``stops`` is set.
    """
    failure: BaseException | None = None

    def is_failure(error: BaseException) -> bool:
        return stops or not isinstance(pool.failure(error), WorkerLostError)

    futures = _futures(pool, function, items, ahead=ahead, is_failure=is_failure)
    for number, future in futures:
        error = future.exception()
        if error is None:
            yield number, future.result()
            continue
        cause = pool.failure(error)
        if isinstance(cause, WorkerLostError):
            yield number, cause
        else:
            failure = failure or cause
    if failure is not None:
        raise failure


def _futures(
    pool: Pool,
    function: Callable[[_Item], _Outcome],
    items: Iterator[tuple[int, _Item]],
    *,
    ahead: int,
    is_failure: Callable[[BaseException], bool],
) -> Iterator[tuple[int, Future[_Outcome]]]:
    """Yield numbered futures in order of completion, with at most ``ahead`` unfinished.

    After a failure no more items are taken from ``items``.
    """
    running: dict[Future[Any], int] = {}
    failed = False
    while True:
        if not failed:
            for number, item in islice(items, ahead - len(running)):
                running[pool.submit(function, item)] = number
        if not running:
            return
        finished, _ = wait(running, return_when=FIRST_COMPLETED)
        errors = [error for future in finished if (error := future.exception()) is not None]
        failed = failed or any(map(is_failure, errors))
        for future in finished:
            yield running.pop(future), future
