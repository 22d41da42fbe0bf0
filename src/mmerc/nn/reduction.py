"""Reduction of losses: mean over items ([decided], our default) or sum (as in the papers)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Reduction = Literal["mean", "sum"]


def reduce_items(
    values: Tensor, counted: Tensor, reduction: Reduction, *, dim: int | None = None
) -> Tensor:
    """Average or sum the ``counted`` values, over all dimensions or one; 0 if there are none.

    Shape: values and counted (bool) [...] -> scalar, or [...] without ``dim``.
    """
    total = values.where(counted, 0.0).sum(dim)
    return total / counted.sum(dim).clamp(min=1) if reduction == "mean" else total
