"""Cross-entropy over utterances, with the usual terms for rare classes."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mmerc.nn.reduction import Reduction, reduce_items


def classification_loss(
    logits: Tensor,
    labels: Tensor,
    *,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
    focus: float = 0.0,
    class_weights: Tensor | None = None,
    dim: int | None = None,
) -> Tensor:
    """Cross-entropy over the labelled items (DF-ERC Eqs. 13 and 24).

    ``focus`` > 0 multiplies each item by (1 - p_gold)^focus (focal loss, Lin et al. 2017);
    ``class_weights`` [K] multiplies it by its class's weight; ``label_smoothing`` mixes the target
    with the uniform distribution. ``dim``: the dimension to reduce, all by default.

    Shape: logits [..., K], labels [...] int, -100 unknown -> scalar, or [...] without ``dim``.
    """
    labelled = labels >= 0
    target = labels.clamp(min=0)
    log_probability = functional.log_softmax(logits.float(), dim=-1)
    gold = log_probability.gather(-1, target.unsqueeze(-1)).squeeze(-1)
    item_loss = -gold
    if label_smoothing > 0:
        item_loss = (1 - label_smoothing) * item_loss - label_smoothing * log_probability.mean(-1)
    if focus > 0:
        item_loss = item_loss * (1 - gold.exp()).clamp(min=1e-6) ** focus
    if class_weights is not None:
        item_loss = item_loss * class_weights[target]
    return reduce_items(item_loss, labelled, reduction, dim=dim)


def soft_label_loss(logits: Tensor, soft_labels: Tensor) -> Tensor:
    """Sum of the cross-entropies with soft labels (Hinton et al. 2015, at temperature 1).

    Shape: logits, soft_labels [..., K], zeros where unknown -> scalar.
    """
    return -(soft_labels * functional.log_softmax(logits.float(), dim=-1)).sum()


def class_balanced_weights(counts: Tensor, *, beta: float) -> Tensor:
    """Class weights (1 - beta) / (1 - beta^n_k), mean 1 over training items (Cui et al. 2019).

    Shape: counts [K] -> [K]. A class without items gets weight 0.
    """
    effective = (1 - torch.pow(torch.tensor(beta, dtype=torch.float64), counts.double())).clamp(
        min=1e-12
    )
    weights = torch.where(counts > 0, (1 - beta) / effective, 0.0)
    mean = (weights * counts).sum() / counts.sum().clamp(min=1)
    return (weights / mean.clamp(min=1e-300)).float()
