"""DQ-Former, whole (MM 2024)."""

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

QUIET = 0.1  # of what normalisation would give the queries
UNDECIDED = 0.002  # deviation of the classifier's weights


class DqFormer(UtteranceModel[DqFormerConfig]):
    """Queries gather emotion from the last layers of each encoder, by each modality's confidence.

    [decided] A modality that comes as a vector (the vision stream) is one state, the same at every
    layer.
    """

    name: ClassVar[str] = "dq-former"
    config_class = DqFormerConfig

    def build(self) -> None:
        config, widths = self.config, self.inputs.output_widths
        self.alone_weight = config.alone_weight
        self.queries = nn.Parameter(torch.randn(config.queries, config.width) * 0.02)
        layers = [QueryFusionLayer(widths, config) for _ in range(self.fusion_layers())]
        # [decided] The queries are the same for all utterances: as loud as what they gather, they
        # would drown it, and the fused vectors of two utterances would differ by a fortieth.
        nn.init.constant_(layers[0].self_attention.outer_norm.weight, QUIET)
        self.layers = nn.ModuleList(layers)
        self.dropout = FastDropout(config.dropout)
        self.classifier = nn.Linear(config.width, len(self.labels))
        # [decided] What all utterances have in common is still the most of it: greater weights
        # would begin with a guess, and with gradients ten times those of the heads beside it.
        nn.init.normal_(self.classifier.weight, std=UNDECIDED)
        self.heads = nn.ModuleDict({m: nn.Linear(w, len(self.labels)) for m, w in widths.items()})

    def fusion_layers(self) -> int:
        """How many layers are fused; UsageError where an encoder has fewer."""
        if self.config.fusion == "late":
            return 1
        fewest = min(self.depths.values(), default=self.config.fusion_layers)
        if self.config.fusion == "early":
            return fewest
        if self.config.fusion_layers > fewest:
            raise UsageError(
                f"model.fusion_layers is {self.config.fusion_layers}, but an encoder has no more "
                f"than {fewest} layers; choose {fewest} or fewer."
            )
        return self.config.fusion_layers

    def read(self, streams: Mapping[Modality, Stream]) -> UtteranceOutput:
        """Eqs. 2-13."""
        fused, confidence = self.fuse(streams)
        alone = {
            m: self.heads[m](self.dropout(masked_mean(stream.states[-1], stream.mask)))
            for m, stream in streams.items()
        }
        logits = self.classifier(self.dropout(fused.float().mean(1)))
        return UtteranceOutput(logits=logits, alone=alone, confidence=confidence)

    def fuse(self, streams: Mapping[Modality, Stream]) -> tuple[Tensor, dict[Modality, Tensor]]:
        """Eqs. 2-9, and c of every layer. Shape: -> [U, Q, D], {m: [U, F]}."""
        masks = {m: stream.mask for m, stream in streams.items()}
        states = {m: stream.last(len(self.layers)) for m, stream in streams.items()}
        utterances = len(next(iter(masks.values())))
        queries = self.queries.expand(utterances, -1, -1)
        found: dict[Modality, list[Tensor]] = {m: [] for m in streams}
        for number, layer in enumerate(self.layers):
            queries, confidence = layer(queries, {m: states[m][number] for m in states}, masks)
            for m, value in confidence.items():
                found[m].append(value)
        return queries, {m: torch.stack(values, -1) for m, values in found.items()}
