"""Bootstrap over the recordings of a study (Efron and Tibshirani 1993)."""

from __future__ import annotations

import numpy as np

from mmerc.studies.sequences import Floats

RESAMPLES = 2000
_LEVEL = 0.95


def recording_weights(recordings: int, *, seed: int, resamples: int = RESAMPLES) -> Floats | None:
    """How often every recording is drawn; None below two recordings.

    Shape: [resamples, R].
    """
    if recordings < 2:
        return None
    generator = np.random.default_rng(seed)
    chances = np.full(recordings, 1 / recordings)
    return generator.multinomial(recordings, chances, size=resamples).astype(np.float64)


def bootstrap_sums(values: Floats, weights: Floats | None) -> Floats | None:
    """Sums over the drawn recordings. Shape: values [R, M], weights [B, R] -> [B, M]."""
    return None if weights is None else np.asarray(weights @ values)


def interval(drawn: Floats | None) -> tuple[float | None, float | None]:
    """Percentile interval (95 %) of what was drawn; None where nothing is defined."""
    defined = drawn[~np.isnan(drawn)] if drawn is not None else np.zeros(0)
    if not len(defined):
        return None, None
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return float(low), float(high)
