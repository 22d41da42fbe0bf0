"""Attention for transformers models, with the fastest kernel for the device."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

_NAME = "mmerc"
_LONGEST_SHORT = 320


def attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    **others: Any,
) -> tuple[Tensor, None]:
    """Scaled dot-product attention, with the signature that transformers expects.

    In training on a CPU, the backward pass of the fused kernel is several times slower than plain
    matrix products as long as rows are short (benchmarks/bench_kernels.py).

    Shape: query, key, value [B, H, L, D], attention_mask [B, 1, L or 1, L] bool -> [B, L, H, D].
    """
    short = query.shape[-2] <= _LONGEST_SHORT and torch.is_grad_enabled()
    if query.device.type != "cpu" or not short:
        output = nn.functional.scaled_dot_product_attention(
            query, key, value, attention_mask, dropout, scale=scaling
        )
        return output.transpose(1, 2).contiguous(), None
    with torch.autocast("cpu", enabled=False):
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        scores = _masked_scores(query * scale, key, attention_mask)
        weights = nn.functional.dropout(scores.softmax(-1), dropout, training=module.training)
        return (weights @ value).transpose(1, 2).contiguous(), None


def _masked_scores(query: Tensor, key: Tensor, mask: Tensor | None) -> Tensor:
    """Compute all products of queries and keys; the lowest float is added where ``mask`` is false.

    The matrix product includes the addition, without a separate pass over [L, L].

    Shape: query [B, H, Q, D], key [B, H, L, D], mask [B, 1, Q or 1, L] bool -> [B, H, Q, L].
    """
    if mask is None:
        return query @ key.mT
    smallest = torch.finfo(query.dtype).min
    hidden = torch.zeros(mask.shape, dtype=query.dtype, device=mask.device)
    hidden = hidden.masked_fill_(~mask, smallest)
    shape = (*query.shape[:3], key.shape[2])
    hidden = hidden.expand(shape).flatten(0, 1)
    return torch.baddbmm(hidden, query.flatten(0, 1), key.flatten(0, 1).mT).view(shape)


def register_attention() -> str:
    """Register ``attention`` with transformers; return the name of the implementation."""
    from transformers import AttentionInterface
    from transformers.masking_utils import AttentionMaskInterface, sdpa_mask

    AttentionInterface.register(_NAME, attention)
    AttentionMaskInterface.register(_NAME, sdpa_mask)
    return _NAME
