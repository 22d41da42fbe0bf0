"""A BERT in bfloat16 for prediction on CPUs, with weights converted once instead of in every call.

It computes the same as ``Bert`` under autocast: products in bfloat16, sums and normalisation in
float32. Query, key and value share one product.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.nn.bert import Bert, BertReader

_SHORT = 64  # tokens; up to here, plain products are faster than fused attention


class _Linear(NamedTuple):
    weight: Tensor
    bias: Tensor

    def __call__(self, inputs: Tensor) -> Tensor:
        """Shape: [..., in] -> [..., out] in bfloat16."""
        return functional.linear(inputs.bfloat16(), self.weight, self.bias)


class _Layer(NamedTuple):
    joint: _Linear
    attended: _Linear
    attended_norm: nn.LayerNorm
    inner: _Linear
    output: _Linear
    output_norm: nn.LayerNorm


class Bfloat16Bert(BertReader):
    """Reads tokens like the ``Bert`` it was built from, without its later changes."""

    def __init__(self, bert: Bert) -> None:
        super().__init__()
        self.config = bert.config
        self.embeddings = bert.embeddings
        self.heads = bert.config.num_attention_heads
        self.layers = [_convert_layer(layer) for layer in bert.encoder.layer]  # type: ignore[union-attr]

    def read_states(
        self, ids: Tensor, mask: Tensor | None, positions: Tensor | None
    ) -> Iterator[Tensor]:
        """Like ``Bert``; the states are float32."""
        hidden = self.embeddings(ids, positions)
        hiding = _additive(mask, ids)
        yield hidden
        for layer in self.layers:
            hidden = self.read_layer(layer, hidden, hiding)
            yield hidden

    def read_layer(self, layer: _Layer, hidden: Tensor, hiding: Tensor) -> Tensor:
        """Shape: [W, L, width], hiding [W or 1, 1, L, L] -> [W, L, width]."""
        joint = layer.joint(hidden)
        parts = joint.view(*joint.shape[:2], 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attended = _attend(parts[0], parts[1], parts[2], hiding).transpose(1, 2).flatten(2)
        hidden = layer.attended_norm(layer.attended(attended) + hidden)
        inner = functional.gelu(layer.inner(hidden))
        output: Tensor = layer.output_norm(layer.output(inner) + hidden)
        return output


def _convert_layer(layer: nn.Module) -> _Layer:
    attention: nn.Module = layer.attention  # type: ignore[assignment]
    part: nn.Module = attention.self  # type: ignore[assignment]
    return _Layer(
        joint=_convert([part.query, part.key, part.value]),  # type: ignore[list-item]
        attended=_convert([attention.output.dense]),  # type: ignore[union-attr, list-item]
        attended_norm=attention.output.LayerNorm,  # type: ignore[union-attr, arg-type]
        inner=_convert([layer.intermediate.dense]),  # type: ignore[union-attr, list-item]
        output=_convert([layer.output.dense]),  # type: ignore[union-attr, list-item]
        output_norm=layer.output.LayerNorm,  # type: ignore[union-attr, arg-type]
    )


def _convert(layers: Sequence[nn.Linear]) -> _Linear:
    """Join layers that read the same vectors."""
    return _Linear(
        torch.cat([layer.weight.detach() for layer in layers]).bfloat16(),
        torch.cat([layer.bias.detach() for layer in layers]).bfloat16(),
    )


def _additive(mask: Tensor | None, ids: Tensor) -> Tensor:
    """Return zero where a token is visible, else the lowest float. Shape: -> [W or 1, 1, L, L]."""
    if mask is None:
        length = ids.shape[1]
        return torch.zeros(1, 1, length, length, dtype=torch.bfloat16, device=ids.device)
    hiding = torch.zeros(mask.shape, dtype=torch.bfloat16, device=mask.device)
    return hiding.masked_fill_(~mask, torch.finfo(torch.bfloat16).min)


def _attend(query: Tensor, key: Tensor, value: Tensor, hiding: Tensor) -> Tensor:
    """Scaled dot-product attention; ``hiding`` is added to the scores.

    Shape: query, key, value [W, H, L, D], hiding [W or 1, 1, L, L] -> [W, H, L, D].
    """
    shape = query.shape
    if shape[2] > _SHORT:
        return functional.scaled_dot_product_attention(query, key, value, hiding)
    query, key, value = (part.flatten(0, 1) for part in (query, key, value))
    rows = hiding.expand(*shape[:3], -1).flatten(0, 1)
    scores = torch.baddbmm(rows, query, key.mT, alpha=shape[3] ** -0.5)
    return (scores.softmax(-1) @ value).view(shape)
