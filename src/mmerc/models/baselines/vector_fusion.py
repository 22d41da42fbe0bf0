"""Early and late fusion of utterance vectors, with or without context."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from mmerc.data.batch import ConversationBatch
from mmerc.models.base import ConversationModel, Explanation, ModelConfig, ModelOutput
from mmerc.nn.context_lstm import ContextLstm
from mmerc.nn.mlp import mlp


class FusionConfig(ModelConfig):
    """``context`` adds a bidirectional LSTM over the conversation before the classifier."""

    name: str = "concatenation"
    hidden: int = Field(default=300, ge=1)
    dropout: float = Field(default=0.2, ge=0, lt=1)
    context: bool = False


class _LateFusionConfig(FusionConfig):
    """The same settings, applied to one head per modality."""

    name: str = "late-fusion"


class Head(nn.Module):
    """A classifier over the vectors of a conversation."""

    def __init__(self, width: int, classes: int, config: FusionConfig) -> None:
        super().__init__()
        self.context = ContextLstm(width, config.hidden) if config.context else None
        width = self.context.width if self.context is not None else width
        self.classifier = mlp(width, classes, hidden=config.hidden, dropout=config.dropout)

    def forward(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """Compute logits. Shape: vectors [B, N, D], mask [B, N] bool -> [B, N, K]."""
        if self.context is not None:
            vectors = self.context(vectors, mask)
        scores: Tensor = self.classifier(vectors)
        return scores


class Concatenation(ConversationModel[FusionConfig]):
    """One classifier over concatenated vectors; an absent modality gives zeros and a flag."""

    name: ClassVar[str] = "concatenation"
    config_class = FusionConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        joined = sum(self.inputs.output_widths.values()) + len(self.inputs.output_widths)
        self.head = Head(joined, len(self.labels), self.config)

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        vectors, present = self.inputs(batch)
        flags = torch.stack([present[m] for m in vectors], -1).to(batch.mask.device)
        joined = torch.cat([*vectors.values(), flags.float()], -1)
        logits = self.head(joined, batch.mask).float()
        loss = self.emotion_loss(logits, batch.labels)
        return ModelOutput(logits=logits, losses={"emotion": loss}, loss=loss)


class LateFusion(ConversationModel[_LateFusionConfig]):
    """One classifier per modality, trained together; the mean of their probabilities decides."""

    name: ClassVar[str] = "late-fusion"
    config_class = _LateFusionConfig
    kind: ClassVar[Literal["system", "baseline"]] = "baseline"

    def build(self) -> None:
        self.heads = nn.ModuleDict(
            {
                m: Head(w, len(self.labels), self.config)
                for m, w in self.inputs.output_widths.items()
            }
        )

    def forward(self, batch: ConversationBatch) -> ModelOutput:
        vectors, present = self.inputs(batch)
        scores = {m: self.heads[m](vectors[m], batch.mask).float() for m in vectors}
        losses = {
            f"emotion_{m}": self.emotion_loss(scores[m], batch.labels.where(present[m], -100))
            for m in vectors
        }
        weights = {m: present[m].float() for m in vectors}
        total = torch.stack(list(weights.values())).sum(0).clamp(min=1)
        shares = {m: weight / total for m, weight in weights.items()}
        mean = torch.stack([shares[m][..., None] * scores[m].softmax(-1) for m in vectors]).sum(0)
        nothing = (total * torch.stack(list(weights.values())).sum(0) == 0)[..., None]
        logits = mean.clamp(min=1e-9).log().masked_fill(nothing, 0.0)
        return ModelOutput(
            logits=logits,
            losses=losses,
            loss=torch.stack(list(losses.values())).sum(),
            explanation=Explanation(weights=shares),
        )
