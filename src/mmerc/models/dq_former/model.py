"""The complete DQ-Former (MM 2024)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.errors import UsageError
from mmerc.models.dq_former.config import DqFormerConfig
from mmerc.models.dq_former.fusion_layer import QueryFusionLayer
from mmerc.models.utterance_model import UtteranceModel, UtteranceOutput
from mmerc.nn.dropout import FastDropout
from mmerc.nn.streams import Stream, masked_mean

_QUIET = 0.1  # initial scale of the normalised queries
_UNDECIDED = 0.002  # initial standard deviation of the classifier's weights


class DqFormer(UtteranceModel[DqFormerConfig]):
    """Queries gather emotion from the last encoder layers, weighted by each modality's confidence.

    [decided] A modality given as a vector (the vision stream) is one state, the same at every
    layer.
    """

    name: ClassVar[str] = "dq-former"
    config_class = DqFormerConfig

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        self.alone_weight = config.alone_weight
        self.queries = nn.Parameter(torch.randn(config.queries, config.width) * 0.02)
        layers = [QueryFusionLayer(widths, config) for _ in range(self.fusion_layers())]
        # [decided] The queries are the same for all utterances. At the scale of the attended states
        # they would dominate: the fused vectors of two utterances would differ by a fortieth.
        nn.init.constant_(layers[0].self_attention.outer_norm.weight, _QUIET)
        self.layers = nn.ModuleList(layers)
        self.dropout = FastDropout(config.dropout)
        self.classifier = nn.Linear(config.width, len(self.labels))
        # [decided] The common part is still the largest. With larger weights, training would start
        # from an arbitrary guess, with ten times the gradients of the other heads.
        nn.init.normal_(self.classifier.weight, std=_UNDECIDED)
        self.heads = nn.ModuleDict({m: nn.Linear(w, len(self.labels)) for m, w in widths.items()})

    def fusion_layers(self) -> int:
        """Return the number of fusion layers; UsageError if an encoder has fewer layers."""
        if self.config.fusion == "late":
            return 1
        fewest = min(self.depths.values(), default=self.config.fusion_layers)
        if self.config.fusion == "early":
            return fewest
        if self.config.fusion_layers > fewest:
            raise UsageError(
                f"model.fusion_layers is {self.config.fusion_layers}, but an encoder has "
                f"only {fewest} layers; choose {fewest} or fewer."
            )
        return self.config.fusion_layers

    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        """Apply Eqs. 2-13."""
        fused, confidence = self.fuse(streams)
        alone = {
            m: self.heads[m](self.dropout(masked_mean(stream.states[-1], stream.mask)))
            for m, stream in streams.items()
        }
        logits = self.classifier(self.dropout(fused.float().mean(1)))
        return UtteranceOutput(logits=logits, alone=alone, confidence=confidence)

    def fuse(self, streams: Mapping[Modality, Stream]) -> tuple[Tensor, dict[Modality, Tensor]]:
        """Apply Eqs. 2-9; return the queries and each layer's c.

        Shape: -> [U, Q, D], {m: [U, F]}.
        """
        masks = {m: stream.mask for m, stream in streams.items()}
        states = {m: stream.last(len(self.layers)) for m, stream in streams.items()}
        utterances = len(next(iter(masks.values())))
        queries = self.queries.expand(utterances, -1, -1)
        by_layer: dict[Modality, list[Tensor]] = {m: [] for m in streams}
        for number, layer in enumerate(self.layers):
            queries, confidence = layer(queries, {m: states[m][number] for m in states}, masks)
            for m, value in confidence.items():
                by_layer[m].append(value)
        return queries, {m: torch.stack(values, -1) for m, values in by_layer.items()}
