"""CRM, the context refusion mechanism (DF-ERC, Eqs. 17-22), and its replacements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, distributed, nn
from torch.nn import functional

from mmerc.conversation import Modality
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.nn.context_lstm import ContextLstm
from mmerc.nn.mlp import ParallelMlps, mlp
from mmerc.nn.packing import Packing

_SMALLEST_NORM = 1e-8  # as in torch's cosine_similarity


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusionOutput:
    """Vectors with context, the similarity of the modalities, and the prototype loss (Eq. 19).

    Shape: vectors [U, width]; similarity (psi) and context_weight [U] or None; loss scalar.
    """

    vectors: Tensor
    similarity: Tensor | None
    context_weight: Tensor | None
    prototype_loss: Tensor


class EmotionPrototypes(nn.Module):
    """A running mean vector per emotion, over all modalities (Eqs. 18 and 19).

    [decided] Restarted each epoch. Each training step updates first, then computes the loss.
    Evaluation does not update. Sums run over all processes of a distributed run.
    """

    mean: Tensor
    count: Tensor

    def __init__(self, classes: int, width: int, *, margin: float) -> None:
        super().__init__()
        self.margin = margin
        self.is_paused = False
        self.register_buffer("mean", torch.zeros(classes, width))
        self.register_buffer("count", torch.zeros(classes))

    def restart(self) -> None:
        """Forget all items."""
        self.mean.zero_()
        self.count.zero_()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Ignore updates in this context: the items of a repeated pass are already counted."""
        self.is_paused = True
        try:
            yield
        finally:
            self.is_paused = False

    @torch.no_grad()
    def update(self, items: Tensor, labels: Tensor) -> None:
        """Add items (Eq. 18). Shape: items [M, D], labels [M] int, all known."""
        total = torch.zeros_like(self.mean).index_add_(0, labels, items.detach())
        added = torch.bincount(labels, minlength=len(self.count)).to(self.count)
        if distributed.is_available() and distributed.is_initialized():
            distributed.all_reduce(total)
            distributed.all_reduce(added)
        count = self.count + added
        self.mean.copy_((self.mean * self.count[:, None] + total) / count.clamp(min=1)[:, None])
        self.count.copy_(count)

    def forward(self, items: Tensor, labels: Tensor) -> Tensor:
        """Compute Eq. 19: mean over the items of max(MSE to their prototype - margin, 0).

        Shape: items [M, D], labels [M] -> scalar. A class without a prototype has no loss.
        """
        distance = (self.mean[labels] - items).square().mean(-1)
        excess = (distance - self.margin).clamp(min=0) * (self.count[labels] > 0)
        return excess.sum() / max(len(items), 1)


class ContextRefusion(nn.Module):
    """Add context in proportion to the disagreement of the modalities.

    [decided] ``context_width`` is per direction; "-CRM+Att" attends over the LSTM's states.
    """

    def __init__(
        self,
        widths: Mapping[Modality, int],
        config: DfErcConfig,
        classes: int,
        *,
        constant: Mapping[Modality, int],
    ) -> None:
        super().__init__()
        self.config = config
        both = config.bidirectional
        self.context_width = config.context_width * (2 if both else 1)
        self.context = (
            ContextLstm(config.fusion_width, config.context_width, bidirectional=both)
            if config.context != "zero"
            else None
        )
        compares = config.context == "refusion"
        build = partial(mlp, width_out=config.prototype_width, dropout=config.dropout)
        self.aligned = ParallelMlps(
            {m: build(w, constant=constant[m]) for m, w in widths.items()} if compares else {}
        )
        normalises = config.alignment_normalisation == "batch"
        self.normalisation = nn.ModuleDict(
            {m: _BatchNormalisation(config.prototype_width) for m in self.aligned if normalises}
        )
        self.prototypes = (
            EmotionPrototypes(classes, config.prototype_width, margin=config.prototype_margin)
            if compares
            else None
        )
        self.attention = (
            _ContextAttention(config.fusion_width, self.context_width, config)
            if config.context == "attention"
            else None
        )
        self.width = config.fusion_width + self.context_width

    def forward(
        self,
        fused: Tensor,
        vectors: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        labels: Tensor,
        packing: Packing,
    ) -> RefusionOutput:
        """Append context to the fused vectors.

        Shape: fused [U, F], vectors[m] [U, D_m], present[m] and labels [U].
        """
        similarity, loss = None, fused.new_zeros(())
        if self.prototypes is not None:
            aligned = self.align(vectors, present)
            occupied = torch.stack([present[m] for m in vectors])
            similarity = _modality_similarity(aligned, occupied)
            loss = self.prototype_loss(self.prototypes, aligned, occupied & (labels >= 0), labels)
        weight = None if self.attention is not None else self.context_weight(similarity, fused)
        context = self.weigh_context(fused, packing, weight)
        return RefusionOutput(
            vectors=torch.cat([fused, context], -1),
            similarity=similarity,
            context_weight=weight,
            prototype_loss=loss,
        )

    def weigh_context(self, fused: Tensor, packing: Packing, weight: Tensor | None) -> Tensor:
        """Compute Eq. 21 and the second half of Eq. 22, or both as in footnote 1.

        Shape: fused [U, F], weight [U] -> [U, C].
        """
        if weight is None:
            return self.read_context(fused, packing)
        if self.config.scale_context == "input":
            return self.read_context(fused * weight.unsqueeze(-1), packing)
        return self.read_context(fused, packing) * weight.unsqueeze(-1)

    def align(
        self, vectors: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> Tensor:
        """Compute Eq. 17. Shape: vectors[m] [U, D_m], present[m] [U] -> [M, U, prototype_width]."""
        aligned: Tensor = self.aligned(vectors).float()
        if len(self.normalisation) == 0:
            return aligned
        return torch.stack(
            [self.normalisation[m](aligned[i], present[m]) for i, m in enumerate(vectors)]
        )

    def read_context(self, fused: Tensor, packing: Packing) -> Tensor:
        """Compute Eq. 21 (zeros for "-CRM(zero)", with attention for "-CRM+Att")."""
        if self.context is None:
            return fused.new_zeros(len(fused), self.context_width)
        fused, mask = packing.unpack(fused), packing.mask
        context: Tensor = self.context(fused, mask)
        if self.attention is not None:
            context = self.attention(fused, context, mask)
        return packing.pack(context)

    def context_weight(self, similarity: Tensor | None, fused: Tensor) -> Tensor:
        """Return 1 - psi of Eq. 22, or the constant of the ablations. Shape: -> [U]."""
        if similarity is not None:
            return 1 - similarity
        return torch.full(fused.shape[:1], float(self.context is not None), device=fused.device)

    def prototype_loss(
        self, prototypes: EmotionPrototypes, aligned: Tensor, counted: Tensor, labels: Tensor
    ) -> Tensor:
        """Compute Eqs. 18 and 19 over the present modalities of labelled utterances.

        Shape: aligned [M, U, D], counted [M, U] bool, labels [U] -> scalar.
        """
        rows = counted.flatten().nonzero().squeeze(1)
        items = aligned.flatten(0, 1).index_select(0, rows)
        gold = labels.repeat(len(aligned)).index_select(0, rows)
        if self.training and not prototypes.is_paused:
            prototypes.update(items, gold)
        loss: Tensor = prototypes(items, gold)
        return loss


class _BatchNormalisation(nn.Module):
    """Batch normalisation without affine parameters, over the utterances that have the modality.

    With fewer than two in training, the running statistics are used.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.normalise = nn.BatchNorm1d(width, affine=False)

    def forward(self, vectors: Tensor, present: Tensor) -> Tensor:
        """Shape: vectors [U, D], present [U] -> [U, D], zero where absent."""
        items = vectors[present].float()
        layer = self.normalise
        if self.training and len(items) < 2:
            items = functional.batch_norm(items, layer.running_mean, layer.running_var)
        else:
            items = layer(items)
        return torch.zeros_like(vectors, dtype=items.dtype).masked_scatter(
            present.unsqueeze(-1), items
        )


def _modality_similarity(aligned: Tensor, present: Tensor) -> Tensor:
    """Eq. 20: psi, the mean of the pairwise cosines over the pairs that are present.

    Shape: aligned [M, U, D], present [M, U] bool -> [U]; [decided] 0 if there is no pair.
    """
    units = functional.normalize(aligned, dim=-1, eps=_SMALLEST_NORM) * present.unsqueeze(-1)
    others = units.sum(0) - units  # so every pair is counted twice
    count = present.sum(0)
    return (units * others).sum((0, -1)) / (count * (count - 1)).clamp(min=1)


class _ContextAttention(nn.Module):
    """ "-CRM+Att": each utterance attends over the context states of its conversation."""

    def __init__(self, width: int, context_width: int, config: DfErcConfig) -> None:
        super().__init__()
        self.query = nn.Linear(width, context_width)
        self.attention = nn.MultiheadAttention(
            context_width, config.attention_heads, dropout=config.dropout, batch_first=True
        )

    def forward(self, fused: Tensor, context: Tensor, mask: Tensor) -> Tensor:
        """Shape: fused [B, N, F], context [B, N, C], mask [B, N] -> [B, N, C]."""
        attended: Tensor = self.attention(
            self.query(fused), context, context, key_padding_mask=~mask, need_weights=False
        )[0]
        return attended
