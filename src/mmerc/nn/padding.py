"""Limit the sizes of rows and batches, because kernels compiled for a size stay in memory."""

from __future__ import annotations

from collections.abc import Sequence

# A CPU recompiles its bfloat16 matrix kernels for every new shape, which costs as much as the layer
# itself. So rows are padded to a few lengths.
ROW_STEP = 16


def round_up(length: int, step: int) -> int:
    """Round up to a multiple of ``step``, at least ``step``."""
    return max(1, -(-length // step)) * step


def split_count(count: int, sizes: Sequence[int]) -> list[int]:
    """Split a count into the fewest of the descending ``sizes``, the last of which is 1."""
    parts: list[int] = []
    for size in sizes:
        whole, count = divmod(count, size)
        parts += [size] * whole
    return parts
