"""Conversation context from an LSTM that never reads padding."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence


class ContextLstm(nn.Module):
    """LSTM over the utterances of each conversation (DF-ERC Eq. 21)."""

    def __init__(self, width: int, hidden: int, *, bidirectional: bool = True) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True, bidirectional=bidirectional)
        self.width = hidden * (2 if bidirectional else 1)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Read the utterances of each conversation in order.

        Shape: vectors [B, N, D], mask [B, N] bool (a prefix of each row) -> [B, N, width].
        """
        lengths = mask.sum(1).cpu()
        packed = pack_padded_sequence(vectors, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(
            self.lstm(packed)[0], batch_first=True, total_length=mask.shape[1]
        )
        return states
