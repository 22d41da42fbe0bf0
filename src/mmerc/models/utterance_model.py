"""Base class of models that read single utterances: streams of states, heads, losses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self, TypeVar

import torch
from pydantic import Field, model_validator
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import AnyTokenizer
from mmerc.data.history import UtteranceTokenizer
from mmerc.models.base import ConversationModel, Explanation, ModelConfig, ModelOutput
from mmerc.models.inputs import zero_absent
from mmerc.nn.checkpointing import recompute_activations
from mmerc.nn.speech_encoder import SpeechEncoderConfig
from mmerc.nn.streams import Stream, encode_sound, encode_tokens


class UtteranceConfig(ModelConfig):
    """Settings of models that read tokens and waveforms (DQ-Former, Secs. 3.2 and 4.2).

    A modality without an encoder is one vector per utterance: a stream with one state.
    """

    modalities: tuple[Modality, ...] = ("text", "audio")
    speech_encoder: SpeechEncoderConfig | None = None
    history: int = Field(default=5, ge=0, description="preceding utterances in the text input")
    history_states: bool = Field(
        default=True,
        description=(
            "layers after the text encoder also read the states of preceding utterances; false: "
            "only the utterance's own states, which attended to the others in the encoder"
        ),
    )
    gradient_checkpointing: bool = False

    @model_validator(mode="after")
    def reads_single_utterances(self) -> Self:
        """Reject levelling: a single utterance has no recording to compare it with."""
        if self.levelling is not None:
            raise ValueError(
                "levelling needs complete conversations, but the model reads single utterances"
            )
        return self

    @property
    def speech(self) -> SpeechEncoderConfig | None:
        return self.speech_encoder if "audio" in self.modalities else None


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceOutput:
    """A model's output for U utterances.

    Shape: logits [U, K]; ``alone[m]`` [U, K], the logits of a modality by itself;
    ``confidence[m]`` [U, F], how much the modality counted in each of F fusion layers.
    """

    logits: Tensor
    alone: Mapping[Modality, Tensor] = field(default_factory=dict)
    confidence: Mapping[Modality, Tensor] = field(default_factory=dict)


_Config = TypeVar("_Config", bound=UtteranceConfig)


class UtteranceModel(ConversationModel[_Config]):
    """A model that sees an utterance's neighbours only in its text input.

    A subclass creates its parts in ``build`` and implements ``read``.
    """

    unit: ClassVar[Literal["conversation", "utterance"]] = "utterance"
    alone_weight = 1.0  # weight of the single-modality losses relative to the fusion loss

    def __init__(self, config: _Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        if config.gradient_checkpointing:
            for encoder in (self.text_encoder, self.speech_encoder):
                if encoder is not None and encoder.config.tuning != "frozen":
                    recompute_activations(encoder.backbone)

    @abstractmethod
    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        """Predict every utterance of the streams."""

    @property
    def tokenizer(self) -> AnyTokenizer | None:
        encoder = self.text_encoder
        if encoder is None:
            return None
        return UtteranceTokenizer(encoder.tokenizer, self.config.history)

    @property
    def depths(self) -> dict[Modality, int]:
        """Number of layers of each encoder; modalities given as vectors are omitted."""
        depths: dict[Modality, int] = {}
        if self.text_encoder is not None:
            depths["text"] = int(self.text_encoder.backbone.config.num_hidden_layers)
        if self.speech_encoder is not None:
            depths["audio"] = self.speech_encoder.depth
        return depths

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Predict the utterances of a batch, regardless of their conversations."""
        mask = batch.mask
        streams = self.streams(batch)
        output = self.read(streams)
        labels = batch.labels[mask]
        losses = {"emotion": self.emotion_loss(output.logits.float(), labels)}
        for m, logits in output.alone.items():
            own_labels = labels.where(streams[m].present, -100)
            losses[f"emotion_{m}"] = self.emotion_loss(logits.float(), own_labels)
        alone = [loss for name, loss in losses.items() if name != "emotion"]
        layers = {m: scatter_utterances(c.detach(), mask) for m, c in output.confidence.items()}
        return ModelOutput(
            logits=scatter_utterances(output.logits.float(), mask),
            losses=losses,
            loss=losses["emotion"] + self.alone_weight * sum(alone, torch.zeros(())),
            explanation=Explanation(
                weights={m: weights.mean(-1) for m, weights in layers.items()},
                layer_weights=layers,
            ),
        )

    def streams(self, batch: ConversationBatch) -> dict[Modality, Stream]:
        """Return the states of every modality, for the U utterances of the batch."""
        return {m: self.stream(batch, m) for m in self.inputs.output_widths}

    def stream(self, batch: ConversationBatch, modality: Modality) -> Stream:
        """Return the states of one modality: those of its encoder, or its vector."""
        mask = batch.mask
        present = batch.present[modality][mask]
        if modality == "text" and self.text_encoder is not None:
            if batch.tokens is None:
                raise ValueError("the model needs tokens, but the batch has none")
            token_ids, tokens = batch.tokens.token_ids[mask], batch.tokens.attention_mask[mask]
            visible = tokens if self.config.history_states else batch.tokens.targets[mask]
            present = present & tokens.any(-1)
            return encode_tokens(self.text_encoder, token_ids, tokens, visible, present)
        if modality == "audio" and self.speech_encoder is not None:
            if batch.waveforms is None:
                raise ValueError("the model needs waveforms, but the batch has none")
            samples, lengths = batch.waveforms.samples[mask], batch.waveforms.lengths[mask]
            return encode_sound(self.speech_encoder, samples, lengths, present & (lengths > 0))
        vectors = self.inputs.standardise(batch.features[modality][mask], modality)
        return Stream((zero_absent(vectors, present).unsqueeze(1),), present.unsqueeze(1))


def scatter_utterances(values: Tensor, mask: Tensor) -> Tensor:
    """Scatter utterances to the true positions of ``mask``, zeros elsewhere.

    Shape: values [U, X], mask [B, N] bool -> [B, N, X].
    """
    zeros = values.new_zeros(*mask.shape, values.shape[-1])
    return zeros.masked_scatter(mask.unsqueeze(-1), values)
