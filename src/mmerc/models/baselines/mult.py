"""MulT: late crossmodal attention between all pairs of modalities (Tsai et al., ACL 2019)."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import permutations
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.models.utterance_model import UtteranceConfig, UtteranceModel, UtteranceOutput
from mmerc.nn.cross_attention import TransformerLayer
from mmerc.nn.dropout import FastDropout
from mmerc.nn.streams import Stream, masked_mean


class _MultConfig(UtteranceConfig):
    """Settings of MulT; [decided] every crossmodal and self-attention stack has ``layers``."""

    name: str = "mult"
    width: int = Field(default=768, ge=1)
    layers: int = Field(default=2, ge=1)
    attention_heads: int = Field(default=8, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)


class Mult(UtteranceModel[_MultConfig]):
    """Crossmodal transformers between the modalities' last states, then self-attention.

    [decided] States are averaged where the paper takes the last; an absent target gives zeros, and
    an absent source changes nothing.
    """

    name: ClassVar[str] = "mult"
    config_class = _MultConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        pairs = list(permutations(widths, 2)) or [(m, m) for m in widths]
        self.sources: dict[Modality, list[Modality]] = {
            m: [other for target, other in pairs if target == m] for m in widths
        }
        self.maps = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})
        self.crossing = nn.ModuleDict({f"{one} {other}": self.stack() for one, other in pairs})
        self.alone = nn.ModuleDict({m: self.stack() for m in widths})
        self.dropout = FastDropout(config.dropout)
        self.classifier = nn.Linear(len(widths) * config.width, len(self.labels))

    def stack(self) -> nn.ModuleList:
        """Create the layers of one transformer."""
        config = self.config
        return nn.ModuleList(
            TransformerLayer(config.width, heads=config.attention_heads, dropout=config.dropout)
            for _ in range(config.layers)
        )

    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        states = {m: self.maps[m](stream.states[-1]) for m, stream in streams.items()}
        pooled = [self.pooled(m, states, streams) for m in streams]
        return UtteranceOutput(logits=self.classifier(self.dropout(torch.cat(pooled, -1))))

    def pooled(
        self,
        target: Modality,
        states: Mapping[Modality, Tensor],
        streams: Mapping[Modality, Stream],
    ) -> Tensor:
        """Let a modality attend to the others, and average it. Shape: -> [U, D]."""
        mask = streams[target].mask
        enriched = torch.zeros_like(states[target])
        for source in self.sources[target]:
            crossed = states[target]
            layers: Any = self.crossing[f"{target} {source}"]
            for layer in layers:
                crossed = layer(crossed, states[source], streams[source].mask)
            present = streams[source].present[:, None, None]
            enriched = enriched + torch.where(present, crossed, states[target])
        alone: Any = self.alone[target]
        for layer in alone:
            enriched = layer(enriched, enriched, mask)
        return masked_mean(enriched, mask)
