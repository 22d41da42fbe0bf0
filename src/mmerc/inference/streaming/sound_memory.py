"""The last minute of a stream of sound."""

from __future__ import annotations

import numpy as np

from mmerc.media.resampling import SAMPLE_RATE, Samples

SECONDS = 60  # size of the buffer; the longest span of speech lasts 20 s


class SoundMemory:
    """Keeps the last ``seconds`` of sound in a fixed buffer."""

    def __init__(self, seconds: int = SECONDS) -> None:
        self._kept = seconds * SAMPLE_RATE
        self._buffer = np.zeros(2 * self._kept, np.float32)
        self._first = self._filled = 0  # index of the buffer's first sample; samples in the buffer

    @property
    def seconds(self) -> float:
        """Total seconds of sound received."""
        return (self._first + self._filled) / SAMPLE_RATE

    def add(self, samples: Samples) -> None:
        """Append samples, at most the size of the buffer. Shape: float32 [any]."""
        if self._filled + len(samples) > len(self._buffer):
            gone = self._filled - self._kept
            self._buffer[: self._kept] = self._buffer[gone : self._filled]
            self._first, self._filled = self._first + gone, self._kept
        self._buffer[self._filled : self._filled + len(samples)] = samples
        self._filled += len(samples)

    def read(self, start: float, end: float) -> Samples:
        """Return the buffered sound between two times in seconds. Shape: -> [samples]."""
        first, stop = (round(time * SAMPLE_RATE) - self._first for time in (start, end))
        return self._buffer[max(first, 0) : max(min(stop, self._filled), 0)].copy()
