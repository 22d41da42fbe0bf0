"""Voice vectors from Whisper's encoder: the mean of each layer's states while somebody speaks.

The encoder (Radford et al. 2022) was trained to transcribe; how something is said survives in its
layers, and carries over to other voices, microphones and languages better than functionals do
(docs/features.md). The weights come with the package that transcription uses.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mmerc.features.sound_samples import SHORTEST, Samples, VoiceExtractor
from mmerc.features.store import FeatureSpec, Vector
from mmerc.files import file_fingerprint
from mmerc.media.decode import SAMPLE_RATE
from mmerc.nn.encoder_sources import resolve_speech_encoder
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from mmerc.nn.whisper import SAMPLES_PER_POSITION

_ENCODERS = {"whisper": "whisper-tiny", "whisper-base": "whisper-base"}
_LONGEST = 30 * SAMPLE_RATE  # the encoder has positions for 30 s
_SILENCE = -30.0  # decibels relative to the loudest position


class WhisperMeans(VoiceExtractor):
    """Mean over time of the states of each layer, end to end.

    Clips keep their length; those above 30 s are read in equal parts. States are normalised at
    each position (``SpeechEncoder``), so that none dominates.

    [decided] Positions more than 30 dB quieter than the clip's loudest do not count: how much
    silence surrounds an utterance says more about who cut it than about the voice. Deviations over
    time are left out: they double the width and carry over less well (docs/features.md).

    MmercError if the weights are not installed.
    """

    source = "the encoder"

    def __init__(self, name: str = "whisper") -> None:
        config = SpeechEncoderConfig(name=_ENCODERS[name], tuning="frozen")
        self.encoder = SpeechEncoder.from_source(config).eval()
        weights = resolve_speech_encoder(config.name) / "model.safetensors"
        self.spec = FeatureSpec(
            modality="audio",
            extractor=name,
            dim=self.encoder.depth * self.encoder.width,
            settings={
                "encoder": config.name,
                "weights": file_fingerprint(weights),
                "statistics": "mean",
                "silence": _SILENCE,
                "sample_rate": SAMPLE_RATE,
                "shortest": SHORTEST,
            },
        )

    def compute(self, samples: Samples) -> Vector:
        parts = [torch.from_numpy(part) for part in _equal_parts(samples)]
        levels = torch.cat([_levels(part) for part in parts])
        voiced = levels > levels.max() + _SILENCE
        states = torch.cat([self._states(part) for part in parts], dim=1)
        vector: Vector = states[:, voiced].mean(dim=1).flatten().numpy()
        return vector

    @torch.inference_mode()
    def _states(self, samples: Tensor) -> Tensor:
        """Encode at most 30 s. Shape: [samples] -> [layers, positions, width]."""
        states, _ = self.encoder(samples[None], torch.tensor([len(samples)]))
        return torch.cat(states)


def _levels(samples: Tensor) -> Tensor:
    """Level of the sound at each of the encoder's positions. Shape: [samples] -> [positions], dB.

    A last position that is not full counts as if silence followed.
    """
    padded = functional.pad(samples, (0, -len(samples) % SAMPLES_PER_POSITION))
    power = padded.view(-1, SAMPLES_PER_POSITION).square().mean(dim=1)
    return 10 * power.clamp(min=1e-12).log10()


def _equal_parts(samples: Samples) -> Iterator[Samples]:
    """Cut a clip into as few equal parts as the encoder can read."""
    yield from np.array_split(samples, -(-len(samples) // _LONGEST))
