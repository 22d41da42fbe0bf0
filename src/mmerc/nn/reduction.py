"""One switch for every loss: the mean over items ([decided], our default) or the paper's sum."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

Reduction = Literal["mean", "sum"]


def reduce_items(values: Tensor, counted: Tensor, reduction: Reduction) -> Tensor:
    """Mean or sum of the ``values`` that are ``counted``; 0 where none is.

    Shape: values and counted (bool) [...] -> scalar.
    """
    total = values.where(counted, 0.0).sum()
    return total / counted.sum().clamp(min=1) if reduction == "mean" else total
