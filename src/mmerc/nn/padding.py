"""Lengths to which rows of tokens are padded."""

from __future__ import annotations

# A processor compiles its bfloat16 matrix kernels again for every new shape, which costs as much as
# the layer's own work: rows have few lengths.
ROW_STEP = 16


def round_up(length: int, step: int) -> int:
    """Return the next multiple of ``step``, at least one."""
    return max(1, -(-length // step)) * step
