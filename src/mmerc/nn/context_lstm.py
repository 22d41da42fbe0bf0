"""Conversation context from an LSTM; padding has no effect."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class ContextLstm(nn.Module):
    """LSTM over the utterances of each conversation (DF-ERC Eq. 21).

    Both directions run forwards, the second over reversed conversations, so padding is always last.
    Packed sequences would take twice as long: oneDNN has no kernel for them.
    """

    def __init__(self, width: int, hidden: int, *, bidirectional: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=bidirectional)
        self.width = hidden * (2 if bidirectional else 1)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Read the utterances of each conversation in order.

        Shape: vectors [B, N, D], mask [B, N] bool (a prefix of each row) -> [B, N, width].
        """
        padding = ~mask.unsqueeze(-1)
        vectors = vectors.masked_fill(padding, 0)
        states = self._read(vectors, "")
        if self.lstm.bidirectional:
            reversal = _reversed_places(mask)
            backwards = self._read(_take(vectors, reversal), "_reverse")
            states = torch.cat([states, _take(backwards, reversal)], -1)
        return states.masked_fill(padding, 0)

    def _read(self, vectors: Tensor, direction: str) -> Tensor:
        """Read in one direction. Shape: [B, N, D] -> [B, N, hidden]."""
        names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
        weights = [getattr(self.lstm, name + direction) for name in names]
        zeros = vectors.new_zeros(1, vectors.shape[0], self.lstm.hidden_size)
        states: Tensor = torch.lstm(
            vectors, [zeros, zeros], weights, True, 1, 0.0, self.training, False, True
        )[0]
        return states


def _reversed_places(mask: Tensor) -> Tensor:
    """Return each conversation's positions in reverse order; padding keeps its position.

    Shape: [B, N] bool -> [B, N], into [B * N].
    """
    batch, length = mask.shape
    places = torch.arange(length, device=mask.device).expand(mask.shape)
    reversal = torch.where(mask, mask.sum(1, keepdim=True) - 1 - places, places)
    return reversal + length * torch.arange(batch, device=mask.device).unsqueeze(1)


def _take(vectors: Tensor, places: Tensor) -> Tensor:
    """Reorder utterances. Shape: vectors [B, N, D], places [B, N] into [B * N] -> [B, N, D]."""
    return vectors.flatten(0, 1).index_select(0, places.flatten()).view_as(vectors)
