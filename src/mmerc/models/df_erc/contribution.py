"""CFM, the contribution-aware fusion mechanism (DF-ERC, Eqs. 10-16), and its replacements."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.conversation import Modality
from mmerc.models.df_erc.config import DfErcConfig
from mmerc.nn.classification import classification_loss
from mmerc.nn.mlp import linear, mlp
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
        self.teacher = nn.ModuleDict(
            {m: build(w, classes, constant=constant[m]) for m, w in taught.items()}
        )
        self.student = nn.ModuleDict(
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
        estimates = {
            m: self.contribution(vectors[m], present[m], m) for m in vectors if m in self.student
        }
        losses = (zero, zero)
        logits = self.classify(vectors)
        if self.config.trains_contribution:
            losses = self.losses(logits, estimates, present, labels)
        weights = self.weights(estimates, present)
        fused = torch.stack([weights[m].unsqueeze(-1) * projected[m] for m in vectors]).sum(0)
        return FusionOutput(
            fused=fused, weights=weights, classifier_loss=losses[0], confidence_loss=losses[1]
        )

    def classify(self, vectors: Mapping[Modality, Tensor]) -> dict[Modality, Tensor]:
        """Eq. 10: the logits of each modality by itself. Shape: [U, D_m] -> [U, K] each."""
        return {m: self.teacher[m](vectors[m]) for m in vectors if m in self.teacher}

    def weights(
        self, estimates: Mapping[Modality, Tensor], present: Mapping[Modality, Tensor]
    ) -> Mapping[Modality, Tensor]:
        """Return each modality's weight in Eq. 16, 0 where absent. Shape: [U] each."""
        if self.config.fusion == "contribution" and not self.config.normalise_contribution:
            return estimates
        shares = present if self.config.fusion == "equal" else estimates
        total = torch.stack([share.float() for share in shares.values()]).sum(0)
        return {m: share / total.clamp(min=_SMALLEST_TOTAL) for m, share in shares.items()}

    def contribution(self, vectors: Tensor, present: Tensor, modality: Modality) -> Tensor:
        """Eq. 12: the student's estimate of the true class probability, 0 where absent."""
        confidence: Tensor = self.student[modality](vectors).squeeze(-1).float().sigmoid()
        return confidence * present

    def losses(
        self,
        logits: Mapping[Modality, Tensor],
        weights: Mapping[Modality, Tensor],
        present: Mapping[Modality, Tensor],
        labels: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Compute Eqs. 13 and 14, summed over the modalities; an absent one has no loss.

        [decided] The target is detached, so that the teacher does not follow the student (Corbiere
        et al. 2019 freeze it).
        """
        classifier, confidence = [], []
        for modality, scores in logits.items():
            own_labels = labels.where(present[modality], -100)
            classifier.append(
                classification_loss(scores, own_labels, reduction=self.config.reduction)
            )
            target = true_class_probability(scores, labels)
            if self.config.detach_contribution:
                target = target.detach()
            error = (target - weights[modality]) ** 2
            confidence.append(reduce_items(error, own_labels >= 0, self.config.reduction))
        return torch.stack(classifier).sum(), torch.stack(confidence).sum()


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
