"""SA: one transformer over the concatenated states of all modalities (DQ-Former, Sec. 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from mmerc.conversation import Modality
from mmerc.models.utterance_model import UtteranceConfig, UtteranceModel, UtteranceOutput
from mmerc.nn.cross_attention import TransformerLayer
from mmerc.nn.dropout import FastDropout
from mmerc.nn.streams import Stream, masked_mean


class _SingleStreamConfig(UtteranceConfig):
    """Settings of SA; [decided] two layers on top of the encoders, as in each stack of MulT."""

    name: str = "sa"
    width: int = Field(default=768, ge=1)
    layers: int = Field(default=2, ge=1)
    attention_heads: int = Field(default=8, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class SingleStream(UtteranceModel[_SingleStreamConfig]):
    """Self-attention over the encoders' last states, plus a learnt vector per modality."""

    name: ClassVar[str] = "sa"
    config_class = _SingleStreamConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        self.maps = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})
        self.layers = nn.ModuleList(
            TransformerLayer(config.width, heads=config.attention_heads, dropout=config.dropout)
            for _ in range(config.layers)
        )
        self.dropout = FastDropout(config.dropout)
        self.classifier = nn.Linear(config.width, len(self.labels))

    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        # The bias of each linear map is the vector of its modality.
        states = torch.cat([self.maps[m](s.states[-1]) for m, s in streams.items()], 1)
        mask = torch.cat([stream.mask for stream in streams.values()], 1)
        for layer in self.layers:
            states = layer(states, states, mask)
        return UtteranceOutput(logits=self.classifier(self.dropout(masked_mean(states, mask))))
