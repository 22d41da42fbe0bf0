"""Read the samples for voice vectors, with reasons if an utterance has none."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from numpy.typing import NDArray

from mmerc.features.base import Absent
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.decode import SAMPLE_RATE, read_clip
from mmerc.media.segment import MediaError, Segment

Samples = NDArray[np.float32]
SHORTEST = 0.1  # seconds; up to 0.06 s openSMILE has no complete window and gives NaN
NO_SOUND_FILE, SILENCE = "no sound file", "silence"
TOO_SHORT = f"sound shorter than {SHORTEST} s"
_QUIETEST = 2**-15  # smaller samples are 0 in 16 bits


class VoiceExtractor(ABC):
    """Base class of voice extractors; a subclass computes the vector of samples."""

    spec: FeatureSpec
    source: str  # origin of the numbers, as the subject of a sentence

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
            return Absent(f"{self.source} gave values that are not numbers")
        return vector

    @abstractmethod
    def compute(self, samples: Samples) -> Vector:
        """Compute the vector of usable samples. Shape: [samples] -> [spec.dim]."""


def _read_samples(segment: Segment) -> Samples | Absent:
    """Decode an utterance's sound. Shape: -> float32 [samples], mono, 16 kHz."""
    if segment.sound is None:
        return Absent(NO_SOUND_FILE)
    try:
        return read_clip(segment.sound)
    except MediaError as error:
        return Absent(error.reason)


def find_absence(samples: Samples) -> Absent | None:
    """Return why samples (mono, 16 kHz, -1 to 1) are unusable for a vector; None if usable."""
    if len(samples) < SHORTEST * SAMPLE_RATE:
        return Absent(TOO_SHORT)
    if not np.isfinite(samples).all():
        return Absent("sound with samples that are not numbers")
    if np.abs(samples).max() < _QUIETEST:
        return Absent(SILENCE)
    return None
