"""Several trainings side by side, each with its share of the cores."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import torch

from mmerc.errors import MmercError
from mmerc.processes import available_cores, leave_with_parent

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


def run_all(
    function: Callable[[Item], Outcome], items: Sequence[Item], *, jobs: int
) -> list[Outcome]:
    """Results of ``function`` for every item, in order; ``jobs`` processes share the cores.

    Function, items and results must be picklable. With one job nothing is started.
    """
    if jobs <= 1 or len(items) <= 1:
        return [function(item) for item in items]
    threads = max(1, available_cores() // jobs)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context, initializer=use_threads, initargs=(threads,)) as pool:
        try:
            return list(pool.map(function, items))
        except BrokenProcessPool as error:
            raise MmercError(
                "A training process was killed from outside (out of memory, perhaps); "
                "what is finished is kept, so go on (train: with --resume) with fewer --jobs."
            ) from error


def use_threads(threads: int) -> None:
    """Keep a worker to its share, and to the life of its parent."""
    leave_with_parent()
    torch.set_num_threads(threads)
