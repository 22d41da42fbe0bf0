"""A GRU over the utterances of a conversation."""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import Field
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, ModelConfig, ModelOutput


class GruConfig(ModelConfig):
    """``hidden``: numbers per direction."""

    name: str = "gru"
    hidden: int = Field(default=64, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)


class Gru(ConversationModel[GruConfig]):
    """A bidirectional GRU over the joined vectors; an absent modality is zeros and a flag."""

    name: ClassVar[str] = "gru"
    config_class = GruConfig

    def build(self) -> None:
        """Make the layers; ``inputs.output_widths`` has the width of each modality."""
        widths = self.inputs.output_widths
        self.gru = nn.GRU(
            sum(widths.values()) + len(widths), self.config.hidden,
            batch_first=True, bidirectional=True,
        )  # fmt: skip
        self.dropout = nn.Dropout(self.config.dropout)
        self.classifier = nn.Linear(2 * self.config.hidden, len(self.labels))

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Shape: batch of B conversations, padded to N utterances -> logits [B, N, K]."""
        vectors, present = self.inputs(batch)  # [B, N, D] and [B, N] per modality
        flags = torch.stack([present[m] for m in vectors], -1).to(batch.mask.device)
        joined = torch.cat([*vectors.values(), flags.float()], -1)
        lengths = batch.mask.sum(1).cpu()
        packed = pack_padded_sequence(joined, lengths, batch_first=True, enforce_sorted=False)
        states, _ = pad_packed_sequence(
            self.gru(packed)[0], batch_first=True, total_length=batch.mask.shape[1]
        )
        logits = self.classifier(self.dropout(states)).float()
        loss = self.emotion_loss(logits, batch.labels)
        return ModelOutput(logits=logits, losses={"emotion": loss}, loss=loss)
