"""bc-LSTM: a context LSTM per modality, then one over all of them (Poria et al., ACL 2017)."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import nn

from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, ModelConfig, ModelOutput
from mmerc.nn.context_lstm import ContextLstm
from mmerc.nn.dropout import FastDropout


class _BcLstmConfig(ModelConfig):
    """Widths of the hierarchical bidirectional contextual LSTM."""

    name: str = "bc-lstm"
    hidden: int = Field(default=150, ge=1)
    dropout: float = Field(default=0.3, ge=0, lt=1)


class BcLstm(ConversationModel[_BcLstmConfig]):
    """The hierarchical variant, [decided] trained jointly, with a head per modality.

    The paper trains the unimodal level first and freezes it.
    """

    name: ClassVar[str] = "bc-lstm"
    config_class = _BcLstmConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        widths = self.inputs.output_widths
        self.unimodal = nn.ModuleDict(
            {m: ContextLstm(w, self.config.hidden) for m, w in widths.items()}
        )
        self.heads = nn.ModuleDict(
            {m: nn.Linear(2 * self.config.hidden, len(self.labels)) for m in widths}
        )
        self.multimodal = ContextLstm(2 * self.config.hidden * len(widths), self.config.hidden)
        self.dropout = FastDropout(self.config.dropout)
        self.classifier = nn.Linear(self.multimodal.width, len(self.labels))

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        vectors, present = self.inputs(batch)
        context = {m: self.dropout(self.unimodal[m](v, batch.mask)) for m, v in vectors.items()}
        joined = self.multimodal(torch.cat(list(context.values()), -1), batch.mask)
        logits = self.classifier(self.dropout(joined)).float()
        losses = {"emotion": self.emotion_loss(logits, batch.labels)} | {
            f"emotion_{m}": self.emotion_loss(
                self.heads[m](context[m]).float(), batch.labels.where(present[m], -100)
            )
            for m in vectors
        }
        return ModelOutput(
            logits=logits, losses=losses, loss=torch.stack(list(losses.values())).sum()
        )
