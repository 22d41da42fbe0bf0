"""Voice vectors from Whisper's encoder: the mean of each layer's states during speech.

The encoder (Radford et al. 2022) was trained to transcribe, but its layers also represent how
something is said, and transfer to other voices, microphones and languages better than functionals
(docs/features.md). The weights come with the package used for transcription.
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
    """Mean over time of each layer's states, concatenated.

    Clips are not padded; those above 30 s are split into equal parts. States are normalised at each
    position (``SpeechEncoder``), so that none dominates.

    [decided] Positions more than 30 dB below the loudest are ignored: the amount of silence depends
    more on segmentation than on the voice. Deviations over time are not used: they double the width
    and transfer less well (docs/features.md).

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
        """Encode at most 30 s, padded to whole seconds, as kernels of every length stay in memory.

        Shape: [samples] -> [layers, positions, width].
        """
        padded = functional.pad(samples, (0, -len(samples) % SAMPLE_RATE))
        states, _ = self.encoder(padded[None], torch.tensor([len(samples)]))
        return torch.cat(states)[:, : -(-len(samples) // SAMPLES_PER_POSITION)]


def _levels(samples: Tensor) -> Tensor:
    """Measure the level at each of the encoder's positions. Shape: [samples] -> [positions], dB.

    An incomplete last position is padded with silence.
    """
    padded = functional.pad(samples, (0, -len(samples) % SAMPLES_PER_POSITION))
    power = padded.view(-1, SAMPLES_PER_POSITION).square().mean(dim=1)
    return 10 * power.clamp(min=1e-12).log10()


def _equal_parts(samples: Samples) -> Iterator[Samples]:
    """Split a clip into the fewest equal parts that the encoder can read."""
    yield from np.array_split(samples, -(-len(samples) // _LONGEST))
