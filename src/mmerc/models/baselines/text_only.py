"""A fine-tuned text encoder alone (BERT-FT of DQ-Former's Table 4)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from mmerc.conversation import Modality
from mmerc.models.utterance_model import UtteranceConfig, UtteranceModel, UtteranceOutput
from mmerc.nn.dropout import FastDropout
from mmerc.nn.mlp import mlp
from mmerc.nn.streams import Stream, masked_mean


class TextOnlyConfig(UtteranceConfig):
    """Settings of the text-only model; text is read as in DQ-Former."""

    name: str = "text-only"
    modalities: tuple[Modality, ...] = ("text",)
    hidden: int = Field(default=768, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class TextOnly(UtteranceModel[TextOnlyConfig]):
    """A small network over the mean of the encoder's last states."""

    name: ClassVar[str] = "text-only"
    config_class = TextOnlyConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        config, width = self.config, sum(self.inputs.output_widths.values())
        self.dropout = FastDropout(config.dropout)
        self.classifier: nn.Module = mlp(
            width, len(self.labels), hidden=config.hidden, dropout=config.dropout
        )

    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        (stream,) = streams.values()
        pooled = masked_mean(stream.states[-1], stream.mask)
        return UtteranceOutput(logits=self.classifier(self.dropout(pooled)))
