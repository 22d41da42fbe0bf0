"""A pre-trained speech transformer: reads waveforms, returns the states of every layer."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.nn import functional

from mmerc.errors import InputError
from mmerc.nn.attention import register_attention
from mmerc.nn.dropout import use_fast_dropout
from mmerc.nn.encoder_sources import SPEECH, load_backbone, resolve_speech_encoder
from mmerc.nn.encoder_tuning import Tuning, apply_tuning
from mmerc.nn.waveform import waveform_states
from mmerc.nn.whisper import whisper_states
from mmerc.nn.whisper_encoder import WhisperEncoder, load_whisper

_KINDS = ("whisper", "wav2vec2", "hubert", "wavlm")
# [decided] No LayerDrop and no random masking: fusion needs the states of every layer, and
# transformers draws these masks from numpy, whose state a resumed run does not restore.
_SETTINGS = {
    "layerdrop": 0.0,
    "encoder_layerdrop": 0.0,
    "mask_time_prob": 0.0,
    "mask_feature_prob": 0.0,
    "decoder_layers": 0,
}


class SpeechEncoderConfig(BaseModel):
    """The speech encoder and its tuning (DQ-Former, Sec. 3.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = SPEECH
    tuning: Tuning = "full"
    lora_rank: int = Field(default=16, ge=1)


class SpeechEncoder(nn.Module):
    """Whisper's encoder, WavLM, HuBERT or wav2vec 2.0.

    [decided] In pre-norm models (Whisper, the large models), states grow from layer to layer; all
    but the last are returned with mean 0 and variance 1.
    """

    def __init__(self, backbone: Any, config: SpeechEncoderConfig) -> None:
        super().__init__()
        settings = backbone.config
        self.config = config
        self.whisper = settings.model_type == "whisper"
        self.grows = self.whisper or bool(getattr(settings, "do_stable_layer_norm", False))
        self.width = int(settings.hidden_size)
        self.depth = int(settings.encoder_layers if self.whisper else settings.num_hidden_layers)
        use_fast_dropout(backbone)
        self.backbone = apply_tuning(
            backbone, config.tuning, rank=config.lora_rank, layers=_adapted_layers(backbone)
        )

    @classmethod
    def from_source(cls, config: SpeechEncoderConfig) -> SpeechEncoder:
        """Load the pre-trained weights of ``config.name``; InputError for unsupported models."""
        folder = resolve_speech_encoder(config.name)
        plain = load_whisper(folder) if config.tuning == "frozen" else None
        if plain is not None:
            return cls(plain, config).train()
        model = load_backbone(folder, _speech_settings(folder))
        return cls(_speech_part(model).train(), config)  # loaded in evaluation mode

    @classmethod
    def from_folder(cls, folder: Path, config: SpeechEncoderConfig) -> SpeechEncoder:
        """Rebuild the architecture written by ``save``; the weights are loaded with the model."""
        from transformers import AutoModel

        return cls(_speech_part(AutoModel.from_config(_speech_settings(folder))), config)

    def save(self, folder: Path) -> None:
        """Write the architecture (weights are saved with the whole model)."""
        folder.mkdir(parents=True, exist_ok=True)
        config = self.backbone.config
        plain = isinstance(self.backbone, WhisperEncoder)
        settings = vars(config).copy() if plain else json.loads(config.to_json_string())
        settings.pop("_name_or_path", None)
        (folder / "config.json").write_text(json.dumps(settings, indent=2), encoding="utf-8")

    def forward(self, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the states of every layer and a mask of the positions without padding.

        Shape: samples [U, T] float32 at 16 kHz, lengths [U] in samples -> depth x [U, P, width],
        [U, P] bool.
        """
        read_states = whisper_states if self.whisper else waveform_states
        states, mask = read_states(_without_peft(self.backbone), samples, lengths)
        if self.grows:
            between = [functional.layer_norm(s.float(), s.shape[-1:]) for s in states[:-1]]
            states = [*between, states[-1]]
        return states, mask


def _speech_settings(folder: Path) -> Any:
    """Read the configuration of a speech encoder; InputError for another kind of model."""
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(str(folder), local_files_only=True)
    if settings.model_type not in _KINDS:
        problem = f"a model of the kind {settings.model_type!r}, not a speech encoder"
        raise InputError(folder, problem, f"use one of {', '.join(_KINDS)}")
    for name, value in _SETTINGS.items():
        if hasattr(settings, name):
            setattr(settings, name, value)
    if settings.model_type != "wavlm":  # WavLM has its own attention with relative positions
        settings._attn_implementation = register_attention()
    preprocessor = folder / "preprocessor_config.json"
    if preprocessor.is_file() and settings.model_type != "whisper":
        features = json.loads(preprocessor.read_text(encoding="utf-8"))
        settings.do_normalize = bool(features.get("do_normalize", False))
    return settings


def _speech_part(model: Any) -> Any:
    """Return the speech encoder of a model."""
    return model.encoder if model.config.model_type == "whisper" else model


def _without_peft(backbone: Any) -> Any:
    """Unwrap a model from peft."""
    return backbone.get_base_model() if hasattr(backbone, "get_base_model") else backbone


def _adapted_layers(backbone: Any) -> Sequence[str] | str:
    """Name the layers for LoRA: WavLM's attention reads its projections' weights directly."""
    if backbone.config.model_type == "wavlm":
        return ("intermediate_dense", "output_dense")
    return "all-linear"
