"""CFM, the contribution-aware fusion mechanism (DF-ERC, Eqs. 10-16), and its replacements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.conversation import Modality
from mmerc.labels import UNKNOWN_LABEL
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.nn.classification import classification_loss
from mmerc.nn.mlp import ParallelMlps, linear, mlp
from mmerc.nn.reduction import reduce_items

_SMALLEST_TOTAL = 1e-6


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionOutput:
    """Fused vectors, the weight of each modality, and the losses L_p and L_q.

    Shape: fused [U, fusion_width]; weights[m] [U]; losses scalar.
    """

    fused: Tensor
    weights: Mapping[Modality, Tensor]
    classifier_loss: Tensor
    confidence_loss: Tensor


class ContributionFusion(nn.Module):
    """Weight each modality by its estimated probability of predicting the right emotion alone.

    The three vectors have different widths: [decided] each is first projected to ``fusion_width``.
    "-CFM": [decided] equal weights over the present modalities, no losses. "-CFM(weights)" (ours):
    equal weights, with the losses. "-CFM(losses)" (ours): learnt weights, no losses.
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
        self.projection = nn.ModuleDict(
            {m: linear(w, config.fusion_width, constant=constant[m]) for m, w in widths.items()}
        )
        taught = widths if config.trains_contribution else {}
        estimated = widths if config.estimates_contribution else {}
        build = partial(mlp, hidden=config.classifier_width, dropout=config.dropout)
        self.teacher = ParallelMlps(
            {m: build(w, classes, constant=constant[m]) for m, w in taught.items()}
        )
        self.student = ParallelMlps(
            {m: build(w, 1, constant=constant[m]) for m, w in estimated.items()}
        )
        self.attention = (
            _ModalityAttention(config.fusion_width, config.attention_heads, config.dropout)
            if config.fusion == "attention"
            else None
        )

    def forward(
        self, vectors: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor], labels: Tensor
    ) -> FusionOutput:
        """Fuse the modalities of every utterance.

        Shape: vectors[m] [U, D_m], present[m] [U] bool, labels [U] int.
        """
        projected = {m: self.projection[m](vectors[m]) for m in vectors}
        zero = labels.new_zeros((), dtype=torch.float32)
        if self.attention is not None:
            fused, weights = self.attention(projected, present)
            return FusionOutput(
                fused=fused, weights=weights, classifier_loss=zero, confidence_loss=zero
            )
        occupied = torch.stack([present[m] for m in vectors])
        estimates = self.estimate(vectors, occupied) if len(self.student) else None
        losses = (zero, zero)
        if estimates is not None and self.config.trains_contribution:
            losses = self.losses(self.teacher(vectors), estimates, occupied, labels)
        weights = self.weights(estimates, occupied)
        fused = (weights.unsqueeze(-1) * torch.stack(list(projected.values()))).sum(0)
        return FusionOutput(
            fused=fused,
            weights=dict(zip(vectors, weights, strict=True)),
            classifier_loss=losses[0],
            confidence_loss=losses[1],
        )

    def classify(self, vectors: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """Eq. 10: the logits of each modality by itself. Shape: [U, D_m] -> [U, K] each."""
        return dict(zip(vectors, self.teacher(vectors), strict=True))

    def estimate(self, vectors: Mapping[Modality, Tensor], present: Tensor) -> Tensor:
        """Eq. 12: the students' estimates of the true class probability, 0 where absent.

        Shape: vectors[m] [U, D_m], present [M, U] -> [M, U].
        """
        confidence: Tensor = self.student(vectors).squeeze(-1).float().sigmoid()
        return confidence * present

    def weights(self, estimates: Tensor | None, present: Tensor) -> Tensor:
        """Return each modality's weight in Eq. 16, 0 where absent. Shape: [M, U] -> [M, U]."""
        if estimates is None or self.config.fusion == "equal":
            shares = present.float()
        elif self.config.normalise_contribution:
            shares = estimates
        else:
            return estimates
        return shares / shares.sum(0).clamp(min=_SMALLEST_TOTAL)

    def losses(
        self, logits: Tensor, estimates: Tensor, present: Tensor, labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Compute Eqs. 13 and 14, summed over the modalities; an absent one has no loss.

        [decided] The target is detached, so that the teacher does not follow the student (Corbiere
        et al. 2019 freeze it).

        Shape: logits [M, U, K], estimates and present [M, U], labels [U] -> two scalars.
        """
        reduction = self.config.reduction
        own_labels = labels.where(present, UNKNOWN_LABEL)
        classifier = classification_loss(logits, own_labels, reduction=reduction, dim=-1)
        target = true_class_probability(logits, labels.expand_as(present))
        if self.config.detach_contribution:
            target = target.detach()
        error = (target - estimates) ** 2
        confidence = reduce_items(error, own_labels >= 0, reduction, dim=-1)
        return classifier.sum(), confidence.sum()


def true_class_probability(logits: Tensor, labels: Tensor) -> Tensor:
    """Eqs. 10 and 11: softmax probability of the gold class (of class 0 if it is unknown).

    Shape: logits [..., K], labels [...] -> [...].
    """
    probability = functional.softmax(logits.float(), dim=-1)
    return probability.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)


class _ModalityAttention(nn.Module):
    """ "-CFM+Att": self-attention over the modalities of an utterance, mean over those present.

    The reported weight of a modality is the mean attention that it receives.
    """

    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout=dropout, batch_first=True)

    def forward(
        self, vectors: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> tuple[Tensor, dict[Modality, Tensor]]:
        """Shape: vectors[m] [U, D], present[m] [U] -> [U, D], {m: [U]}."""
        items = torch.stack(list(vectors.values()), 1)  # [U, M, D]
        occupied = torch.stack([present[m] for m in vectors], 1)
        # An utterance without any modality attends to zeros; its result is zeroed below.
        hidden = ~occupied & occupied.any(-1, keepdim=True)
        attended, shares = self.attention(items, items, items, key_padding_mask=hidden)
        counted = occupied.unsqueeze(-1).float()
        total = counted.sum(1).clamp(min=1)
        fused = ((attended + items) * counted).sum(1) / total
        received = (shares * counted).sum(1) / total * occupied
        return fused, {m: received[:, i] for i, m in enumerate(vectors)}
