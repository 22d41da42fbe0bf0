"""Voice vectors from Whisper's encoder: how the states of its layers are distributed over time.

The encoder (Radford et al. 2022) was trained to transcribe; how something is said survives in its
layers, and carries over to other voices, microphones and languages better than functionals do
(docs/features.md). The weights come with the package that transcription uses.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from mmerc.features.base import Absent
from mmerc.features.sound_samples import SHORTEST, Samples, find_absence, read_samples
from mmerc.features.store import FeatureSpec, Vector
from mmerc.files import file_fingerprint
from mmerc.media.decode import SAMPLE_RATE
from mmerc.media.segment import Segment
from mmerc.nn.encoder_sources import resolve_speech_encoder
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig

_ENCODERS = {"whisper": "whisper-tiny", "whisper-base": "whisper-base"}
_LONGEST = 30 * SAMPLE_RATE  # the encoder has positions for 30 s


class WhisperStatistics:
    """Mean and standard deviation over time of the states of each layer.

    Clips keep their length; longer ones than 30 s are read in equal parts. States are normalised
    at each position (``SpeechEncoder``), so that none of them dominates.

    MmercError if the weights are not installed.
    """

    def __init__(self, name: str = "whisper") -> None:
        config = SpeechEncoderConfig(name=_ENCODERS[name], tuning="frozen")
        self.encoder = SpeechEncoder.from_source(config).eval()
        weights = resolve_speech_encoder(config.name) / "model.safetensors"
        self.spec = FeatureSpec(
            modality="audio",
            extractor=name,
            dim=2 * self.encoder.depth * self.encoder.width,
            settings={
                "encoder": config.name,
                "weights": file_fingerprint(weights),
                "statistics": "mean, deviation",
                "sample_rate": SAMPLE_RATE,
                "shortest": SHORTEST,
            },
        )

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [spec.dim]."""
        samples = read_samples(segment)
        return samples if isinstance(samples, Absent) else self.extract_samples(samples)

    def extract_samples(self, samples: Samples) -> Vector | Absent:
        """Shape: float32 [samples], mono, 16 kHz -> float32 [spec.dim].

        First the means of all layers, then their deviations.
        """
        absence = find_absence(samples)
        if absence is not None:
            return absence
        vector: Vector = _statistics(self._states(samples)).numpy()
        if not np.isfinite(vector).all():
            return Absent("the encoder gave values that are no numbers")
        return vector

    @torch.inference_mode()
    def _states(self, samples: Samples) -> Tensor:
        """Encode a clip. Shape: [samples] -> [layers, positions, width]."""
        parts = []
        for part in _equal_parts(samples):
            states, _ = self.encoder(torch.from_numpy(part)[None], torch.tensor([len(part)]))
            parts.append(torch.cat(states))
        return torch.cat(parts, dim=1)


def _statistics(states: Tensor) -> Tensor:
    """Mean and deviation over time. Shape: [layers, positions, width] -> [2 * layers * width]."""
    deviation, mean = torch.std_mean(states, dim=1, correction=0)
    return torch.stack([mean, deviation]).flatten()


def _equal_parts(samples: Samples) -> Iterator[Samples]:
    """Cut a clip into as few equal parts as the encoder can read."""
    yield from np.array_split(samples, -(-len(samples) // _LONGEST))
