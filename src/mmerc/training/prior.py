"""Prior correction: undo the effect of upsampling and class weights on predictions."""

from __future__ import annotations

import torch
from torch import Tensor

from mmerc.data.sampling import upsampled_counts


def log_prior_ratio(
    label_counts: Tensor, *, upsampling: float = 0.0, class_weights: Tensor | None = None
) -> tuple[float, ...] | None:
    """Return the correction to add to the logits of a model trained on rebalanced classes.

    It is log p(k) - log q(k): p is a class's share of the training utterances, q its share after
    ``upsampling`` and class weights. None if both are equal. A class that never occurs is not
    corrected.

    Shape: label_counts and class_weights [K].
    """
    labels = [k for k, count in enumerate(label_counts.tolist()) for _ in range(int(count))]
    counts = upsampled_counts(labels, upsampling)
    natural = label_counts.double()
    seen = torch.tensor([counts.get(k, 0) for k in range(len(natural))], dtype=torch.float64)
    if class_weights is not None:
        seen = seen * class_weights.double()
    ratio = (natural / natural.sum()).log() - (seen / seen.sum()).log()
    ratio = torch.where((natural > 0) & (seen > 0), ratio, 0.0)
    return None if ratio.abs().max() < 1e-9 else tuple(ratio.tolist())
