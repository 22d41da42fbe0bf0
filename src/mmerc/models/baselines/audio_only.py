"""A fine-tuned speech encoder alone (WavLM-FT of DQ-Former's Table 4)."""

from __future__ import annotations

from typing import ClassVar

from mmerc.conversation import Modality
from mmerc.models.baselines.text_only import TextOnly, TextOnlyConfig


class _AudioOnlyConfig(TextOnlyConfig):
    """Settings of the audio-only model; audio is read as in DQ-Former."""

    name: str = "audio-only"
    modalities: tuple[Modality, ...] = ("audio",)


class AudioOnly(TextOnly):
    """A small network over the mean of the encoder's last states."""

    name: ClassVar[str] = "audio-only"
    config_class = _AudioOnlyConfig
