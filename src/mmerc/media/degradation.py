"""Degraded sound and frames, as over a bad microphone or line, for tests of robustness."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Noise:
    """White noise, drawn from ``seed``, ``decibels`` below the mean power of what it is added to.

    The same seed draws the same noise for every signal-to-noise ratio.
    """

    decibels: float
    seed: int

    def added_to(self, samples: _Samples) -> _Samples:
        """Shape: float32 [samples] -> float32 [samples]; digital silence stays silence."""
        if not samples.any():
            return samples
        drawn = np.random.default_rng(self.seed).standard_normal(len(samples))
        size = level(samples) / level(drawn) * 10 ** (-self.decibels / 20)
        return (samples + size * drawn).astype(np.float32)


def level(samples: NDArray[np.floating]) -> float:
    """Root mean square."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))


@dataclass(frozen=True, slots=True)
class FrameLoss:
    """Frames that do not arrive, each by itself with the probability ``share`` (0 to 1).

    The same seed loses the same frames, and a greater share loses others besides.
    """

    share: float
    seed: int

    def arriving(self, count: int) -> list[int]:
        """Positions of those of ``count`` frames that arrive; there may be none."""
        draws = np.random.default_rng(self.seed).random(count)
        return [int(position) for position in np.flatnonzero(draws >= self.share)]
