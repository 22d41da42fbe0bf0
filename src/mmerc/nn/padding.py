"""Lengths to which rows of tokens are padded."""

from __future__ import annotations

# A CPU recompiles its bfloat16 matrix kernels for every new shape, which costs as much as the layer
# itself. So rows are padded to a few lengths.
ROW_STEP = 16


def round_up(length: int, step: int) -> int:
    """Round up to a multiple of ``step``, at least ``step``."""
    return max(1, -(-length // step)) * step
