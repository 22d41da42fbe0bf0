"""A classifier on a pre-trained language model, with or without an LSTM over the conversation."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import field_validator

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, ModelOutput
from mmerc.models.baselines.vector_fusion import FusionConfig, Head
from mmerc.nn.text_encoder import TextEncoderConfig


class _LanguageModelConfig(FusionConfig):
    """Settings: text only, with a trained encoder unless ``text_encoder`` is None."""

    name: str = "language-model"
    modalities: tuple[Modality, ...] = ("text",)
    text_encoder: TextEncoderConfig | None = TextEncoderConfig()

    @field_validator("modalities")
    @classmethod
    def text_alone(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        """Reject other modalities."""
        if modalities != ("text",):
            raise ValueError("a language model accepts text only")
        return modalities


class LanguageModelClassifier(ConversationModel[_LanguageModelConfig]):
    """A classifier over the pooled tokens of each utterance."""

    name: ClassVar[str] = "language-model"
    config_class = _LanguageModelConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        self.head = Head(self.inputs.output_widths["text"], len(self.labels), self.config)

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        vectors, _ = self.inputs(batch)
        logits = self.head(vectors["text"], batch.mask).float()
        loss = self.emotion_loss(logits, batch.labels)
        return ModelOutput(logits=logits, losses={"emotion": loss}, loss=loss)
