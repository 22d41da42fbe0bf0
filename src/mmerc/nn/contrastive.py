"""A supervised contrastive loss over sets of vectors."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from mmerc.nn.reduction import Reduction, reduce_items

_SMALLEST_NORM = 1e-6


def contrastive_loss(
    vectors: Tensor,
    positives: Tensor,
    *,
    temperature: float,
    reduction: Reduction = "mean",
    candidates: Tensor | None = None,
) -> Tensor:
    """Pull positives together and push all other items apart (DF-ERC, Eqs. 3 and 5).

    For item i with positives P(i), over cosines: - sum_k log softmax_{j != i}(cos_ij / tau)_k.
    ``reduction="sum"`` is the paper's. ``"mean"`` [decided] averages over each item's positives,
    then over the items with a positive. Items without a positive contribute nothing.
    ``candidates`` are the items to compare (default: all).

    Shape: vectors [..., M, D], positives [..., M, M] bool with a false diagonal,
    candidates [..., M] bool -> scalar. Leading dimensions are separate sets.
    """
    if positives.shape != (*vectors.shape[:-1], vectors.shape[-2]):
        expected = (*vectors.shape[:-1], vectors.shape[-2])
        raise ValueError(f"positives: expected shape {expected}, got {tuple(positives.shape)}")
    with torch.autocast(vectors.device.type, enabled=False):
        units = functional.normalize(vectors.float(), dim=-1, eps=_SMALLEST_NORM)
        similarity = units @ units.mT / temperature
        excluded = torch.eye(vectors.shape[-2], dtype=torch.bool, device=vectors.device)
        if candidates is not None:
            excluded = excluded | ~candidates.unsqueeze(-2)
            positives = positives & candidates.unsqueeze(-1) & candidates.unsqueeze(-2)
        # A row without candidates would give log(0); it has no positive and is dropped below.
        log_total = similarity.masked_fill(excluded, -1e9).logsumexp(-1)
        count = positives.sum(-1)
        attraction = (similarity * positives).sum(-1)
        item_loss = count * log_total - attraction
        if reduction == "mean":
            item_loss = item_loss / count.clamp(min=1)
        return reduce_items(item_loss, count > 0, reduction)
