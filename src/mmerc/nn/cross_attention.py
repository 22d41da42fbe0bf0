"""Attention from one sequence to another, with masked positions."""

from __future__ import annotations

from torch import Tensor, nn

from mmerc.nn.attention import attention
from mmerc.nn.dropout import FastDropout


class _MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with learnt projections (Vaswani et al. 2017).

    Keys have no bias, which would cancel out. If all positions are masked, the output is finite but
    meaningless.
    """

    def __init__(self, width: int, *, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        _init_like_transformer(self)

    def forward(self, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Attend from queries to the states that ``mask`` allows.

        Shape: queries [U, Q, D], states [U, L, D], mask [U, L] bool -> [U, Q, D].
        """
        readable = mask | ~mask.any(-1, keepdim=True)
        heads = self.heads

        def split(tensor: Tensor) -> Tensor:
            return tensor.view(*tensor.shape[:2], heads, -1).transpose(1, 2)

        attended, _ = attention(
            self,
            split(self.query(queries)),
            split(self.key(states)),
            split(self.value(states)),
            readable[:, None, None, :],
            dropout=self.dropout if self.training else 0.0,
        )
        result: Tensor = self.output(attended.flatten(-2))
        return result


class TransformerLayer(nn.Module):
    """A Transformer encoder layer (Vaswani et al. 2017) with self- or cross-attention."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = _MultiHeadAttention(width, heads=heads, dropout=dropout)
        self.inner_norm = nn.LayerNorm(width)
        self.feed_forward = _feed_forward(width, dropout=dropout)
        self.outer_norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Run the layer.

        Shape: queries [U, Q, D], states [U, L, D], mask [U, L] bool -> [U, Q, D].
        """
        inner = self.inner_norm(queries + self.attention(queries, states, mask))
        result: Tensor = self.outer_norm(inner + self.feed_forward(inner))
        return result


def _feed_forward(width: int, *, dropout: float) -> nn.Module:
    """Build F of Vaswani et al.; [decided] hidden width times four, GELU as in the encoders."""
    network = nn.Sequential(
        nn.Linear(width, 4 * width),
        nn.GELU(),
        FastDropout(dropout),
        nn.Linear(4 * width, width),
        FastDropout(dropout),
    )
    _init_like_transformer(network)
    return network


def _init_like_transformer(module: nn.Module) -> None:
    """Initialise weights by Glorot's rule and biases to 0 ([decided], as in ``nn.Transformer``).

    With the default of ``nn.Linear``, the output of attention would be a tenth of the residual.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
