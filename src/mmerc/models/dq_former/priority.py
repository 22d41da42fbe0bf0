"""Dynamic modality priority: how much each modality counts in a fusion layer (DQ-Former, 3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.nn.streams import masked_mean


class ConfidenceNetwork(nn.Module):
    """ConNet (Eqs. 5-8), [decided] one per fusion layer, shared by the modalities."""

    def __init__(self, width: int, *, threshold: float) -> None:
        super().__init__()
        self.threshold = threshold
        self.score = nn.Linear(width, 1)

    def forward(
        self, states: Mapping[Modality, Tensor], masks: Mapping[Modality, Tensor]
    ) -> dict[Modality, Tensor]:
        """Compute c of each modality. Shape: states[m] [U, L, D], masks[m] [U, L] -> {m: [U]}."""
        raw = {
            m: self.score(masked_mean(states[m], masks[m])).float().squeeze(-1).sigmoid()
            for m in states
        }
        shares = _normalise_shares(raw, masks)
        return {m: share.where(share >= self.threshold, 0.0) for m, share in shares.items()}


def equal_confidence(masks: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
    """Weight present modalities equally ("w/o DMP"). Shape: masks[m] [U, L] -> {m: [U]}."""
    return _normalise_shares(
        {m: torch.ones(len(mask), device=mask.device) for m, mask in masks.items()}, masks
    )


def _normalise_shares(
    raw: Mapping[Modality, Tensor], masks: Mapping[Modality, Tensor]
) -> dict[Modality, Tensor]:
    """Apply Eq. 7 to the present modalities; 0 for the others. Shape: raw[m] [U] -> {m: [U]}."""
    present = {m: value.where(masks[m].any(-1), 0.0) for m, value in raw.items()}
    total = torch.stack(list(present.values())).sum(0)
    return {m: value / total.where(total > 0, 1.0) for m, value in present.items()}
