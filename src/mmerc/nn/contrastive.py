"""A supervised contrastive loss over sets of vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from mmerc.nn.known_gradient import with_gradient
from mmerc.nn.reduction import Reduction

_SMALLEST_NORM = 1e-6
_NEVER = -1e9


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
        others = None if candidates is None else ~candidates.unsqueeze(-2)
        if others is not None:
            positives = positives & ~others & ~others.mT
        return with_gradient(_contrast, vectors.float(), positives, others, temperature, reduction)


def _contrast(
    vectors: Tensor,
    positives: Tensor,
    excluded: Tensor | None,
    temperature: float,
    reduction: Reduction,
) -> tuple[Tensor, tuple[Tensor]]:
    """Compute the loss and its gradient. Shape: excluded [..., 1, M] bool -> scalar, [..., M, D].

    With the weight w_i of an item's terms, the gradient of the cosine c_ij is w_i / tau times
    |P(i)| softmax_ij - [j in P(i)].
    """
    norms = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
    units = vectors / norms.clamp(min=_SMALLEST_NORM)
    share = (units @ units.mT).div_(temperature)
    # A row without candidates must stay finite; it has no positive.
    share.diagonal(dim1=-2, dim2=-1).fill_(_NEVER)
    if excluded is not None:
        share.masked_fill_(excluded, _NEVER)
    share = share.log_softmax(-1)
    pull = positives.to(share.dtype)
    count = pull.sum(-1, keepdim=True)
    if reduction == "mean":
        pull *= 1 / (count.clamp(min=1) * count.count_nonzero().clamp(min=1))
    loss = -torch.dot(share.flatten(), pull.flatten())
    into_share = share.exp_().mul_(pull.sum(-1, keepdim=True)).sub_(pull)
    into_units = (into_share + into_share.mT) @ units
    along = (units * into_units).sum(-1, keepdim=True) * (norms > _SMALLEST_NORM)
    into_vectors = (into_units - units * along) / (norms.clamp(min=_SMALLEST_NORM) * temperature)
    return loss, (into_vectors,)
