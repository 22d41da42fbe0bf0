"""The class frequencies that training sees, and their correction at prediction."""

from __future__ import annotations

import torch
from torch import Tensor

from mmerc.data.sampling import upsampled_counts


def log_prior_ratio(
    label_counts: Tensor, *, upsampling: float = 0.0, class_weights: Tensor | None = None
) -> tuple[float, ...] | None:
    """Return what to add to the logits of a model that saw rare classes more often than they occur.

    That is log p(k) - log q(k): p is a class's share of the training utterances, q its share of
    what training saw, with rare classes repeated (``upsampling``) and each class's loss multiplied
    by its weight. None if both are the same. A class that never occurs is left as it is.

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
