"""MBT: modalities exchange information through bottleneck tokens (Nagrani et al., NeurIPS 2021)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.errors import UsageError
from mmerc.models.utterance_model import UtteranceConfig, UtteranceModel, UtteranceOutput
from mmerc.nn.cross_attention import TransformerLayer
from mmerc.nn.dropout import FastDropout
from mmerc.nn.streams import Stream, masked_mean


class _BottleneckConfig(UtteranceConfig):
    """Four bottleneck tokens as in the paper; fusion at DQ-Former's layers.

    ``readout`` "bottleneck" is the published form for this task: fusion layers read only the
    layer below, the mean of the tokens predicts, and every modality has a loss. With "modalities"
    ([decided], for older models) they also read the encoder's states of their layer, and the mean
    of the modalities' logits predicts.
    """

    name: str = "mbt"
    width: int = Field(default=768, ge=1)
    bottlenecks: int = Field(default=4, ge=1)
    fusion_layers: int = Field(default=4, ge=1)
    attention_heads: int = Field(default=8, ge=1)
    dropout: float = Field(default=0.1, ge=0, lt=1)
    readout: Literal["bottleneck", "modalities"] = "modalities"


class Bottleneck(UtteranceModel[_BottleneckConfig]):
    """Fusion layers in which a modality's states and the shared tokens attend to each other.

    The tokens become the mean of their updates by the present modalities (the paper's Eq. 9).
    [decided] Pre-trained layers stay unchanged; fusion layers are separate. The lowest reads the
    encoder's states below its last ``fusion_layers`` layers. With readout "modalities", each reads
    the encoder's states of its own layer plus the output of the fusion layer below.
    """

    name: ClassVar[str] = "mbt"
    config_class = _BottleneckConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        fewest = min(self.depths.values(), default=config.fusion_layers)
        if config.fusion_layers > fewest:
            raise UsageError(
                f"model.fusion_layers is {config.fusion_layers}, but an encoder has only "
                f"{fewest} layers; choose {fewest} or fewer."
            )
        self.tokens = nn.Parameter(torch.randn(config.bottlenecks, config.width) * 0.02)
        self.maps = nn.ModuleDict({m: nn.Linear(w, config.width) for m, w in widths.items()})
        self.layers = nn.ModuleList(
            nn.ModuleDict(
                {
                    m: TransformerLayer(
                        config.width, heads=config.attention_heads, dropout=config.dropout
                    )
                    for m in widths
                }
            )
            for _ in range(config.fusion_layers)
        )
        self.dropout = FastDropout(config.dropout)
        self.heads = nn.ModuleDict({m: nn.Linear(config.width, len(self.labels)) for m in widths})
        self.head = (
            nn.Linear(config.width, len(self.labels)) if config.readout == "bottleneck" else None
        )

    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        """Predict from the tokens, or from the mean of the modalities' logits."""
        below: dict[Modality, Tensor] = {}
        utterances = len(next(iter(streams.values())).mask)
        tokens = self.tokens.expand(utterances, -1, -1)
        for number, layer in enumerate(self.layers):
            states = self.layer_inputs(number, streams, below)
            below, tokens = self.exchange(layer, streams, states, tokens)
        logits = {
            m: self.heads[m](self.dropout(masked_mean(below[m], stream.mask)))
            for m, stream in streams.items()
        }
        if self.head is None:
            return UtteranceOutput(logits=_average_present([*logits.values()], streams))
        fused = self.head(self.dropout(tokens.float().mean(1)))
        return UtteranceOutput(logits=fused, alone=logits)

    def layer_inputs(
        self, number: int, streams: Mapping[Modality, Stream], below: Mapping[Modality, Tensor]
    ) -> Mapping[Modality, Tensor]:
        """Return the states that a fusion layer reads. Shape: -> {m: [U, L_m, D]}."""
        layers = len(self.layers)
        if self.head is None:
            states = {m: stream.last(layers)[number] for m, stream in streams.items()}
            return {m: self.maps[m](state) + below.get(m, 0.0) for m, state in states.items()}
        if below:
            return below
        return {m: self.maps[m](stream.last(layers + 1)[0]) for m, stream in streams.items()}

    def exchange(
        self,
        layer: Any,
        streams: Mapping[Modality, Stream],
        states: Mapping[Modality, Tensor],
        tokens: Tensor,
    ) -> tuple[dict[Modality, Tensor], Tensor]:
        """Run one fusion layer; return the states of each modality, and the tokens [U, T, D]."""
        above: dict[Modality, Tensor] = {}
        updates = []
        count = tokens.shape[1]
        for m, stream in streams.items():
            joined = torch.cat([states[m], tokens], 1)
            mask = torch.cat([stream.mask, stream.mask.new_ones(len(joined), count)], 1)
            output = layer[m](joined, joined, mask)
            above[m], update = output[:, :-count], output[:, -count:]
            updates.append(update)
        return above, _average_present(updates, streams)


def _average_present(values: list[Tensor], streams: Mapping[Modality, Stream]) -> Tensor:
    """Average over the present modalities, 0 if none. Shape: each [U, ...] -> [U, ...]."""
    present = torch.stack([stream.present for stream in streams.values()])
    stacked = torch.stack(values)
    share = (present / present.sum(0).clamp(min=1)).view(*present.shape, *[1] * (stacked.ndim - 2))
    return (stacked * share).sum(0)
