"""MultiEMO's losses besides cross-entropy (Eqs. 18-20), with explicit gradients.

Autograd would traverse the matrices of all utterance pairs about thirty times.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from mmerc.nn.known_gradient import with_gradient
from mmerc.nn.reduction import Reduction

_SMALLEST_NORM = 1e-6
_SMALLEST_HARDNESS = 1e-6
_SMALLEST_TOTAL = 1e-12
WeightScale = Literal["raw", "sum", "mean"]


def sample_weighted_focal_contrastive_loss(
    vectors: Tensor,
    labels: Tensor,
    *,
    temperature: float,
    focus: float,
    sample_weight: float,
    class_counts: Tensor | None = None,
    weight_scale: WeightScale = "raw",
    normalize: bool = True,
    reduction: Reduction = "mean",
) -> Tensor:
    """SWFC: pull utterances of one emotion together, most of all rare and hard ones (Eqs. 18, 19).

    With s_jg = softmax over all g != j of z_j . z_g / tau and R_j the others of j's label:
    w_j 1/|R_j| sum_{g in R_j} - (1 - s_jg)^gamma log s_jg, mean over the items (``"sum"``: sum). An
    item without a positive contributes 0. w_j is (N / n_k)^alpha of its class k; counts are over
    the items, or ``class_counts`` [K] of the training split. ``weight_scale``: see
    ``class_weights``.

    The loss is never 0, even for perfectly separated classes: the n_k - 1 positives of an item
    share its softmax, so s is at most 1 / (n_k - 1) on average and each item costs about
    w_j log(n_k - 1) or more. For the same reason (1 - s)^gamma is about 1 in large batches.

    [decided] ``normalize`` scales z to length 1; the paper does not.

    Shape: vectors [..., D], labels [...] int, -100 unknown (left out) -> scalar.
    """
    if vectors.shape[:-1] != labels.shape:
        expected = tuple(vectors.shape[:-1])
        raise ValueError(f"labels: expected shape {expected}, got {tuple(labels.shape)}")
    labelled = labels >= 0
    with torch.autocast(vectors.device.type, enabled=False):
        items, labels = vectors[labelled].float(), labels[labelled]
        if normalize:
            items = functional.normalize(items, dim=-1, eps=_SMALLEST_NORM)
        order = labels.argsort()  # items of a class are adjacent
        items, labels = items[order] / temperature**0.5, labels[order]
        sizes = torch.bincount(labels)
        weights = class_weights(labels, class_counts, sample_weight, weight_scale)
        weights = weights / (sizes[labels] - 1).clamp(min=1)
        if reduction == "mean":
            weights = weights / max(len(items), 1)
        return with_gradient(_focal_contrast, items, weights, sizes.tolist(), focus)


def _focal_contrast(
    items: Tensor, weights: Tensor, sizes: Sequence[int], focus: float
) -> tuple[Tensor, tuple[Tensor]]:
    """Sum w_j - (1 - s_jg)^gamma log s_jg over all pairs of a class; also return the gradient.

    Shape: items [M, D] sorted by class, weights [M], sizes (of each class) [K] ->
    scalar, [M, D].
    """
    share = (items @ items.mT).fill_diagonal_(-torch.inf)
    share -= share.logsumexp(-1, keepdim=True).clamp(min=torch.finfo(share.dtype).min)
    loss, pulls, into_total = share.new_zeros(()), [], torch.zeros_like(weights)
    ends = torch.tensor(sizes, dtype=torch.long).cumsum(0).tolist()
    blocks = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    for block in blocks:
        log_share = share[block, block].clone().fill_diagonal_(0.0)
        hardness = (-torch.expm1(log_share)).clamp_(min=_SMALLEST_HARDNESS)
        focal = hardness**focus
        loss -= weights[block] @ (focal * log_share).sum(-1)
        pull = focus * hardness ** (focus - 1) * log_share.exp() * log_share - focal
        pulls.append(pull.fill_diagonal_(0.0).mul_(weights[block, None]))
        into_total[block] = pulls[-1].sum(-1)
    into_similarity = share.exp_().mul_(-into_total[:, None])
    for block, pull in zip(blocks, pulls, strict=True):
        into_similarity[block, block] += pull
    return loss, (into_similarity @ items + into_similarity.mT @ items,)


def class_weights(
    labels: Tensor, class_counts: Tensor | None, sample_weight: float, scale: WeightScale = "raw"
) -> Tensor:
    """Return the weight (N / n_k)^alpha of each item's class, raw (Eq. 19) or scaled.

    Counts are over ``labels``, or ``class_counts``; a class without items gets weight 0.
    ``"sum"``: the weights of all classes sum to 1, as released. ``"mean"`` (ours): they average 1
    over the counted items.

    Shape: labels [M], class_counts [K] -> [M].
    """
    counts = torch.bincount(labels) if class_counts is None else class_counts
    rarity = (counts.sum() / counts.clamp(min=1)) ** sample_weight * (counts > 0)
    if scale == "sum":
        rarity = rarity / rarity.sum().clamp(min=_SMALLEST_TOTAL)
    elif scale == "mean":
        rarity = rarity * counts.sum() / (rarity * counts).sum().clamp(min=_SMALLEST_TOTAL)
    return rarity[labels]


def soft_hgr_loss(first: Tensor, second: Tensor) -> Tensor:
    """Soft-HGR: correlate the features of two modalities (Eq. 20; Wang et al., AAAI 2019).

    - (E[q . v] - 1/2 tr(cov(q) cov(v))) of centred features; 0 for fewer than two items. E is the
    mean over the items, cov the sample covariance [D, D] of the features (divisor M - 1). We follow
    the paper, except that it prints the trace outside the sum over pairs of modalities (a
    misprint). The released code treats items as variables ([M, M]), does not centre, and divides
    the trace by M.

    Shape: first, second [M, D] -> scalar.
    """
    if first.shape != second.shape:
        raise ValueError(f"second: expected shape {tuple(first.shape)}, got {tuple(second.shape)}")
    if len(first) < 2:
        return (first.sum() + second.sum()).float() * 0.0
    with torch.autocast(first.device.type, enabled=False):
        return with_gradient(correlation, first.float(), second.float())


def correlation(first: Tensor, second: Tensor) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Compute Soft-HGR and its gradients. Shape: first, second [M, D] -> scalar, [M, D] twice."""
    items = len(first)
    one, other = first - first.mean(0), second - second.mean(0)
    spread_one, spread_other = one.mT @ one / (items - 1), other.mT @ other / (items - 1)
    loss = (spread_one * spread_other).sum() / 2 - (one * other).sum() / items
    into_one = one @ spread_other / (items - 1) - other / items
    into_other = other @ spread_one / (items - 1) - one / items
    return loss, (into_one, into_other)
