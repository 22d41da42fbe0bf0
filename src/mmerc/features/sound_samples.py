"""The samples that voice vectors are computed from, and why an utterance may have none."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from mmerc.features.base import Absent
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.decode import SAMPLE_RATE, read_clip
from mmerc.media.segment import MediaError, Segment

Samples = NDArray[np.float32]
SHORTEST = 0.1  # seconds: at 0.06 s and below openSMILE has no whole window and gives NaN
NO_SOUND_FILE, SILENCE = "no sound file", "silence"
TOO_SHORT = f"sound shorter than {SHORTEST} s"
_QUIETEST = 2**-15  # below this a sample is 0 in 16 bits


class VoiceExtractor(ABC):
    """An extractor that reads an utterance's samples; a subclass computes the vector."""

    spec: FeatureSpec
    source: str  # of the numbers, as the subject of a sentence

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [spec.dim]."""
        samples = _read_samples(segment)
        return samples if isinstance(samples, Absent) else self.extract_samples(samples)

    def extract_samples(self, samples: Samples) -> Vector | Absent:
        """Shape: float32 [samples], mono, 16 kHz, -1 to 1 -> float32 [spec.dim]."""
        absence = find_absence(samples)
        if absence is not None:
            return absence
        vector = self.compute(samples)
        if not np.isfinite(vector).all():
            return Absent(f"{self.source} gave values that are no numbers")
        return vector

    @abstractmethod
    def compute(self, samples: Samples) -> Vector:
        """Compute the vector of samples that can be read. Shape: [samples] -> [spec.dim]."""


def _read_samples(segment: Segment) -> Samples | Absent:
    """Decode an utterance's sound. Shape: -> float32 [samples], mono, 16 kHz."""
    if segment.sound is None:
        return Absent(NO_SOUND_FILE)
    try:
        return read_clip(segment.sound)
    except MediaError as error:
        return Absent(error.reason)


def find_absence(samples: Samples) -> Absent | None:
    """Say why no vector can be computed from samples (mono, 16 kHz, -1 to 1); None if one can."""
    if len(samples) < SHORTEST * SAMPLE_RATE:
        return Absent(TOO_SHORT)
    if not np.isfinite(samples).all():
        return Absent("sound with samples that are no numbers")
    if np.abs(samples).max() < _QUIETEST:
        return Absent(SILENCE)
    return None
