"""MultiEMO's losses beside cross-entropy (Eqs. 18-20)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mmerc.nn.reduction import Reduction, reduce_items

SMALLEST_NORM = 1e-6
NEVER = -1e9


def sample_weighted_focal_contrastive_loss(
    vectors: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    focus: float,
    sample_weight: float,
    class_counts: Tensor | None = None,
    normalize: bool = True,
    reduction: Reduction = "mean",
) -> Tensor:
    """SWFC: pull utterances of one emotion together, rare and hard ones most (Eqs. 18 and 19).

    With s_jg = softmax over all g != j of z_j . z_g / tau and R_j the others of j's label:
    w_j 1/|R_j| sum_{g in R_j} - (1 - s_jg)^gamma log s_jg, mean over the items (``"sum"``: sum). An
    item without a positive contributes 0. w_j is (N / n_k)^alpha of its class k, counted over the
    items. ``class_counts`` [K] counts over the training split instead; as in the released code the
    weights of all classes then sum to 1 (a class without items weighs nothing).

    [decided] ``normalize``: z has length 1; the paper takes it as it is.

    Shape: vectors [..., D], labels [...] int, -100 unknown (left out) -> scalar.
    """
    if vectors.shape[:-1] != labels.shape:
        expected = tuple(vectors.shape[:-1])
        raise ValueError(f"labels: expected shape {expected}, got {tuple(labels.shape)}")
    known = labels >= 0
    with torch.autocast(vectors.device.type, enabled=False):
        items, labels = vectors[known].float(), labels[known]
        if normalize:
            items = functional.normalize(items, dim=-1, eps=SMALLEST_NORM)
        similarity = items @ items.mT / temperature
        itself = torch.eye(len(items), dtype=torch.bool, device=items.device)
        positives = (labels[:, None] == labels) & ~itself
        log_total = similarity.masked_fill(itself, NEVER).logsumexp(-1, keepdim=True)
        # Masked before the exponential: the item with itself must not overflow into a gradient.
        log_share = (similarity - log_total).masked_fill(~positives, 0.0)
        hardness = (-torch.expm1(log_share)).clamp(min=1e-6) ** focus
        item_loss = -(hardness * log_share).sum(-1) / positives.sum(-1).clamp(min=1)
        weights = class_weights(labels, class_counts, sample_weight)
        return reduce_items(
            item_loss * weights, torch.ones_like(labels, dtype=torch.bool), reduction
        )


def class_weights(labels: Tensor, class_counts: Tensor | None, sample_weight: float) -> Tensor:
    """The weight of each item's class. Shape: labels [M], class_counts [K] -> [M]."""
    counts = torch.bincount(labels) if class_counts is None else class_counts
    rarity = (counts.sum() / counts.clamp(min=1)) ** sample_weight
    if class_counts is not None:
        rarity = rarity * (counts > 0)
        rarity = rarity / rarity.sum().clamp(min=1e-12)
    return rarity[labels]


def soft_hgr_loss(first: Tensor, second: Tensor) -> Tensor:
    """Soft-HGR: let two modalities' features say the same (Eq. 20; Wang et al., AAAI 2019).

    - (E[q . v] - 1/2 tr(cov(q) cov(v))) of centred features; 0 of fewer than two items. E is the
    mean over the items, cov the sample covariance [D, D] of the features (divisor M - 1). The paper
    prints the trace outside of the sum over pairs of modalities, a misprint. The released code
    takes the items for the variables ([M, M]), does not centre and divides the trace by M; this is
    the paper's definition.

    Shape: first, second [M, D] -> scalar.
    """
    if first.shape != second.shape:
        raise ValueError(f"second: expected shape {tuple(first.shape)}, got {tuple(second.shape)}")
    if len(first) < 2:
        return (first.sum() + second.sum()).float() * 0.0
    with torch.autocast(first.device.type, enabled=False):
        one, other = first.float(), second.float()
        one, other = one - one.mean(0), other - other.mean(0)
        agreement = (one * other).sum(-1).mean()
        spread = ((one.mT @ one) * (other.mT @ other)).sum() / (len(one) - 1) ** 2
        return spread / 2 - agreement
