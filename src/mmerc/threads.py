"""The number of threads that share one operation of torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread(*, wanted: bool = True) -> Iterator[None]:
    """Compute on one thread in this block, if ``wanted``.

    For small work, threads that wait for each other cost more than they save, and beside other
    programs several times as much.
    """
    before = torch.get_num_threads()
    if wanted:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
