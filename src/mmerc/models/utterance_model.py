"""What models that read utterances one by one share: streams of states, heads, losses."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, TypeVar

import torch
from pydantic import Field
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import AnyTokenizer
from mmerc.data.history import UtteranceTokenizer
from mmerc.models.base import ConversationModel, Explanation, ModelConfig, ModelOutput
from mmerc.models.inputs import zero_absent
from mmerc.nn.checkpointing import recompute_activations
from mmerc.nn.speech_encoder import SpeechEncoderConfig
from mmerc.nn.streams import Stream, read_sound, read_tokens


class UtteranceConfig(ModelConfig):
    """Settings of every model that reads tokens and waveforms (DQ-Former, Secs. 3.2 and 4.2).

    A modality without an encoder comes as a vector an utterance: a stream of one state.
    """

    modalities: tuple[Modality, ...] = ("text", "audio")
    speech_encoder: SpeechEncoderConfig | None = None
    history: int = Field(default=5, ge=0, description="preceding utterances in the text")
    history_states: bool = Field(
        default=True,
        description=(
            "what comes behind the text encoder reads the states of preceding utterances too; "
            "off: the utterance's own alone, which have read the others inside the encoder"
        ),
    )
    gradient_checkpointing: bool = False

    @property
    def speech(self) -> SpeechEncoderConfig | None:
        return self.speech_encoder if "audio" in self.modalities else None


@dataclass(frozen=True, slots=True, kw_only=True)
class UtteranceOutput:
    """What a model makes of U utterances.

    Shape: logits [U, K]; ``alone[m]`` [U, K], those of a modality by itself; ``confidence[m]``
    [U, F], how much it counted in each fusion layer.
    """

    logits: Tensor
    alone: Mapping[Modality, Tensor] = field(default_factory=dict)
    confidence: Mapping[Modality, Tensor] = field(default_factory=dict)


Config = TypeVar("Config", bound=UtteranceConfig)


class UtteranceModel(ConversationModel[Config]):
    """A model that knows of an utterance's neighbours what stands in its text, and no more.

    A subclass makes its parts in ``build`` and says in ``read`` what they do with the streams.
    """

    unit: ClassVar[Literal["conversation", "utterance"]] = "utterance"
    alone_weight = 1.0  # of the losses of single modalities beside the first's

    def __init__(self, config: Config, **parts: Any) -> None:
        super().__init__(config, **parts)
        if config.gradient_checkpointing:
            for encoder in (self.text_encoder, self.speech_encoder):
                if encoder is not None and encoder.config.tuning != "frozen":
                    recompute_activations(encoder.backbone)

    @abstractmethod
    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        """Logits of every utterance of the streams."""

    @property
    def tokenizer(self) -> AnyTokenizer | None:
        encoder = self.text_encoder
        if encoder is None:
            return None
        return UtteranceTokenizer(encoder.tokenizer, self.config.history)

    @property
    def depths(self) -> dict[Modality, int]:
        """Layers of each encoder; a modality that comes as vectors has none."""
        depths: dict[Modality, int] = {}
        if self.text_encoder is not None:
            depths["text"] = int(self.text_encoder.backbone.config.num_hidden_layers)
        if self.speech_encoder is not None:
            depths["audio"] = self.speech_encoder.depth
        return depths

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Read the utterances of a batch, whichever conversations they belong to."""
        chosen = batch.mask
        streams = self.streams(batch)
        reading = self.read(streams)
        labels = batch.labels[chosen]
        losses = {"emotion": self.emotion_loss(reading.logits.float(), labels)}
        for m, logits in reading.alone.items():
            heard = labels.where(streams[m].present, -100)
            losses[f"emotion_{m}"] = self.emotion_loss(logits.float(), heard)
        alone = [loss for name, loss in losses.items() if name != "emotion"]
        layers = {m: scatter_utterances(c.detach(), chosen) for m, c in reading.confidence.items()}
        return ModelOutput(
            logits=scatter_utterances(reading.logits.float(), chosen),
            losses=losses,
            loss=losses["emotion"] + self.alone_weight * sum(alone, torch.zeros(())),
            explanation=Explanation(
                weights={m: weights.mean(-1) for m, weights in layers.items()},
                layer_weights=layers,
            ),
        )

    def streams(self, batch: ConversationBatch) -> dict[Modality, Stream]:
        """The states of every modality, for the U utterances of the batch."""
        return {m: self.stream(batch, m) for m in self.inputs.output_widths}

    def stream(self, batch: ConversationBatch, modality: Modality) -> Stream:
        """The states of one modality: its encoder's, or its vector."""
        chosen = batch.mask
        present = batch.present[modality][chosen]
        if modality == "text" and self.text_encoder is not None:
            if batch.tokens is None:
                raise ValueError("the model reads tokens, but the batch has none")
            token_ids, mask = batch.tokens.token_ids[chosen], batch.tokens.attention_mask[chosen]
            shown = mask if self.config.history_states else batch.tokens.targets[chosen]
            return read_tokens(self.text_encoder, token_ids, mask, shown, present & mask.any(-1))
        if modality == "audio" and self.speech_encoder is not None:
            if batch.waveforms is None:
                raise ValueError("the model reads waveforms, but the batch has none")
            samples, lengths = batch.waveforms.samples[chosen], batch.waveforms.lengths[chosen]
            return read_sound(self.speech_encoder, samples, lengths, present & (lengths > 0))
        vectors = self.inputs.standardised(batch.features[modality][chosen], modality)
        return Stream((zero_absent(vectors, present).unsqueeze(1),), present.unsqueeze(1))


def scatter_utterances(values: Tensor, chosen: Tensor) -> Tensor:
    """Put utterances into their places, zeros elsewhere. Shape: [U, X], [B, N] -> [B, N, X]."""
    placed = values.new_zeros(*chosen.shape, values.shape[-1])
    return placed.masked_scatter(chosen.unsqueeze(-1), values)
