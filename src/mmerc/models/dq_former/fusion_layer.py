"""Fusion layers: queries attend to the states of each modality's layer (DQ-Former, Sec. 3.3)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.models.dq_former.config import DqFormerConfig
from mmerc.models.dq_former.priority import ConfidenceNetwork, equal_confidence
from mmerc.nn.cross_attention import TransformerLayer


class _CrossModalAttention(TransformerLayer):
    """Eq. 4: LN(Q + F(LN(Q + attention))); the outer sum uses Q, as printed."""

    def forward(self, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Let queries attend to states.

        Shape: queries [U, Q, D], states [U, L, D], mask [U, L] bool -> [U, Q, D].
        """
        gathered = self.inner_norm(queries + self.attention(queries, states, mask))
        result: Tensor = self.outer_norm(queries + self.feed_forward(gathered))
        return result


class QueryFusionLayer(nn.Module):
    """One layer of Eqs. 2-9.

    [decided] A linear layer maps states of another width to the width of the queries.
    """

    def __init__(self, widths: Mapping[Modality, int], config: DqFormerConfig) -> None:
        super().__init__()
        width, dropout = config.width, config.dropout
        self.residual = config.residual
        self.maps = nn.ModuleDict(
            {m: nn.Identity() if w == width else nn.Linear(w, width) for m, w in widths.items()}
        )
        self.self_attention = TransformerLayer(width, heads=config.attention_heads, dropout=dropout)
        self.cross_attention = nn.ModuleDict(
            {
                m: _CrossModalAttention(width, heads=config.attention_heads, dropout=dropout)
                for m in widths
            }
        )
        self.confidence = (
            ConfidenceNetwork(width, threshold=config.threshold) if config.priority else None
        )

    def forward(
        self,
        queries: Tensor,
        states: Mapping[Modality, Tensor],
        masks: Mapping[Modality, Tensor],
    ) -> tuple[Tensor, dict[Modality, Tensor]]:
        """Return the fused queries and the weight of each modality.

        Shape: queries [U, Q, D], states[m] [U, L, D_m], masks[m] [U, L] -> [U, Q, D], {m: [U]}.
        """
        mapped = {m: self.maps[m](state) for m, state in states.items()}
        full_mask = torch.ones(queries.shape[:2], dtype=torch.bool, device=queries.device)
        queries = self.self_attention(queries, queries, full_mask)
        confidence = (
            equal_confidence(masks) if self.confidence is None else self.confidence(mapped, masks)
        )
        fused = queries if self.residual else torch.zeros_like(queries)
        for m, state in mapped.items():
            gathered = self.cross_attention[m](queries, state, masks[m])
            fused = fused + confidence[m][:, None, None] * gathered
        return fused, confidence
