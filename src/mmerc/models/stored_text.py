"""Dropout on stored text vectors, in place of the dropout after a trained encoder."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from mmerc.conversation import Modality
from mmerc.nn.dropout import FastDropout
from mmerc.nn.text_encoder import TextEncoder


class StoredTextDropout(nn.Module):
    """Apply dropout to text vectors unless ``encoder`` does so itself."""

    def __init__(self, rate: float, encoder: TextEncoder | None) -> None:
        super().__init__()
        self.dropout = FastDropout(rate if encoder is None else 0.0)

    def forward(self, vectors: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """Shape: vectors[m] [B, N, D_m] -> the same."""
        return {m: self.dropout(v) if m == "text" else v for m, v in vectors.items()}
