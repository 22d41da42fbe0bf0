"""Intervals: bootstrap over the recordings of a study, and Wilson's interval of a share."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

from mmerc.studies.sequences import Floats

RESAMPLES = 2000
_LEVEL = 0.95
_Z = NormalDist().inv_cdf((1 + _LEVEL) / 2)


def recording_weights(recordings: int, *, seed: int, resamples: int = RESAMPLES) -> Floats | None:
    """Draw bootstrap weights of recordings (Efron and Tibshirani 1993); None below two.

    Shape: [resamples, R].
    """
    if recordings < 2:
        return None
    generator = np.random.default_rng(seed)
    chances = np.full(recordings, 1 / recordings)
    return generator.multinomial(recordings, chances, size=resamples).astype(np.float64)


def bootstrap_sums(values: Floats, weights: Floats | None) -> Floats | None:
    """Sum over the drawn recordings. Shape: values [R, M], weights [B, R] -> [B, M]."""
    return None if weights is None else np.asarray(weights @ values)


def interval(drawn: Floats | None) -> tuple[float | None, float | None]:
    """Compute the 95 % percentile interval of draws; None if all are undefined."""
    return (None, None) if drawn is None else intervals(drawn[:, None], 1)[0]


def intervals(drawn: Floats | None, columns: int) -> list[tuple[float | None, float | None]]:
    """Compute the 95 % percentile interval of every column, ignoring undefined draws (NaN).

    Shape: drawn [B, M]; None (no draws) gives None for all M columns.
    """
    if drawn is None:
        return [(None, None)] * columns
    edges = [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2]
    undefined = np.isnan(drawn)
    lows, highs = np.quantile(np.where(undefined.any(axis=0), 0.0, drawn), edges, axis=0)
    bounds: list[tuple[float | None, float | None]] = [
        (float(low), float(high)) for low, high in zip(lows, highs, strict=True)
    ]
    for number in np.flatnonzero(undefined.any(axis=0)):
        defined = drawn[~undefined[:, number], number]
        bounds[number] = (None, None)
        if len(defined):
            low, high = np.quantile(defined, edges)
            bounds[number] = (float(low), float(high))
    return bounds


def wilson_interval(share: float, count: int) -> tuple[float, float]:
    """Compute the 95 % interval of a share of ``count`` (Wilson 1927)."""
    square = _Z**2 / count
    middle = (share + square / 2) / (1 + square)
    half = _Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return max(middle - half, 0.0), min(middle + half, 1.0)
