"""Logit offsets at prediction: correct for rebalanced classes, or favour rare ones."""

from __future__ import annotations

import torch
from torch import Tensor

from mmerc.data.sampling import upsampled_counts


def log_prior_ratio(
    label_counts: Tensor, *, upsampling: float = 0.0, class_weights: Tensor | None = None
) -> Tensor:
    """Return the correction to add to the logits of a model trained on rebalanced classes.

    It is log p(k) - log q(k): p is a class's share of the training utterances, q its share after
    ``upsampling`` and class weights. A class that never occurs is not corrected.

    Shape: label_counts and class_weights [K] -> [K] float64.
    """
    labels = [k for k, count in enumerate(label_counts.tolist()) for _ in range(int(count))]
    counts = upsampled_counts(labels, upsampling)
    natural = label_counts.double()
    seen = torch.tensor([counts.get(k, 0) for k in range(len(natural))], dtype=torch.float64)
    if class_weights is not None:
        seen = seen * class_weights.double()
    ratio = (natural / natural.sum()).log() - (seen / seen.sum()).log()
    return torch.where((natural > 0) & (seen > 0), ratio, 0.0)


def rare_class_offsets(label_counts: Tensor, *, strength: float) -> Tensor:
    """Return -``strength`` log p(k) (Menon et al., ICLR 2021, Eq. 9), shifted to 0 on average.

    p is a class's share of the training utterances. A class that never occurs gets 0.

    Shape: label_counts [K] -> [K] float64.
    """
    seen = label_counts > 0
    offsets = -strength * label_counts.double().clamp(min=1).log()
    return torch.where(seen, offsets - offsets[seen].mean(), 0.0)
