"""The same trainings over a Ray cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch

from mmerc.errors import MmercError
from mmerc.features.cluster import quiet_ray

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run_on_cluster(
    function: Callable[[Item], Outcome], items: Sequence[Item], *, jobs: int
) -> list[Outcome]:
    """Results of ``function`` for every item, in order; at most ``jobs`` are under way.

    What items name must lie where every node finds it. After a failure nothing new is begun, what
    is under way is finished, and the failure is raised.
    """
    ray = quiet_ray()
    threads = max(1, int(ray.cluster_resources().get("CPU", jobs)) // jobs)
    remote = ray.remote(num_cpus=threads, max_retries=0)(with_threads)
    left = list(enumerate(items))
    under_way: dict[Any, int] = {}
    results: dict[int, Outcome] = {}
    failure: MmercError | None = None
    while under_way or (left and failure is None):
        while left and len(under_way) < jobs and failure is None:
            number, item = left.pop(0)
            under_way[remote.remote(function, item, threads)] = number
        (done, *_), _ = ray.wait(list(under_way))
        number = under_way.pop(done)
        try:
            results[number] = ray.get(done)
        except ray.exceptions.RayError as error:
            failure = failure or finding(error)
    if failure is not None:
        raise failure
    return [results[number] for number in range(len(items))]


def with_threads(function: Callable[[Item], Outcome], item: Item, threads: int) -> Outcome:
    """Keep a worker to its share of the cores."""
    torch.set_num_threads(threads)
    return function(item)


def finding(error: Any) -> MmercError:
    """What a person can fix of Ray's error: our own sentence, or that a worker was lost."""
    cause = getattr(error, "cause", None)
    if isinstance(cause, MmercError):
        return cause
    if cause is not None:
        raise error
    return MmercError(
        "A training was lost with its worker (out of memory, perhaps); what is finished is kept, "
        "so go on with the same command and fewer --jobs."
    )
