"""Degrade sound, frames and words, as over a bad microphone or line."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

_Samples = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Noise:
    """White noise from ``seed``, ``decibels`` below the mean power of the signal.

    The same seed gives the same noise for every signal-to-noise ratio.
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
    """Loss of frames, each independently with the probability ``share`` (0 to 1).

    With the same seed, a larger share loses the same frames and more.
    """

    share: float
    seed: int

    def arriving(self, count: int) -> list[int]:
        """Return the indices of the frames that arrive out of ``count``; may be empty."""
        draws = np.random.default_rng(self.seed).random(count)
        return [int(position) for position in np.flatnonzero(draws >= self.share)]


@dataclass(frozen=True, slots=True)
class Blur:
    """A Gaussian blur of pictures; ``share`` is its sigma as a share of their side."""

    share: float

    def applied_to(self, pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Shape: uint8 [n, H, W] or [n, H, W, 3] -> the same; H and W are blurred alike."""
        from scipy.ndimage import gaussian_filter  # slow to import

        deviation = self.share * pictures.shape[1]
        deviations = (0.0, deviation, deviation, *(0.0,) * (pictures.ndim - 3))
        blurred = gaussian_filter(pictures.astype(np.float32), deviations, mode="nearest")
        return np.asarray(np.rint(blurred).clip(0, 255), np.uint8)


def drop_words(text: str, share: float, *, seed: int) -> str:
    """Drop each word with the probability ``share``, but never all words.

    A text without words is unchanged. With the same seed, a larger share drops the same words and
    more.
    """
    words = text.split()
    if not words:
        return text
    draws = np.random.default_rng(seed).random(len(words))
    stays = draws >= share
    stays[draws.argmax()] = True
    return " ".join(word for word, stay in zip(words, stays, strict=True) if stay)


def utterance_seed(conversation: str, utterance: str) -> int:
    """Return the seed for all random changes of an utterance."""
    ids = f"{conversation}\0{utterance}".encode()
    return int.from_bytes(sha256(ids).digest()[:8])
