"""Correct p values for many tests, without slow imports."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import InputError


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p values for many tests (Holm 1979), in the order given; InputError outside 0-1."""
    if not len(p_values):
        return []
    values = finite_values(p_values)
    if ((values < 0) | (values > 1)).any():
        raise InputError("p values", "one is not between 0 and 1", "pass p values only")
    order = np.argsort(values)
    factors = np.arange(len(values), 0, -1)
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * factors), 1.0)
    return [float(value) for value in adjusted]


def finite_values(values: Sequence[float]) -> NDArray[np.float64]:
    """Return ``values`` as an array; InputError if it is empty or a value is not finite."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or not len(numbers) or not np.isfinite(numbers).all():
        problem = f"expected one finite number or more, got {list(values)}"
        raise InputError("values", problem, "leave out runs that failed")
    return numbers
