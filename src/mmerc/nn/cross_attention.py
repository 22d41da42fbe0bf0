"""Attention of one sequence to another, of which some places may not be read."""

from __future__ import annotations

from torch import Tensor, nn

from mmerc.nn.attention import attention
from mmerc.nn.dropout import FastDropout


class MultiHeadAttention(nn.Module):
    """Scaled dot-product attention with learnt projections (Vaswani et al. 2017).

    Keys have no bias: it would cancel out. Where nothing may be read, what comes out is finite and
    for nobody to use.
    """

    def __init__(self, width: int, *, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        begin_as_transformer(self)

    def forward(self, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Shape: queries [U, Q, D], states [U, L, D], mask [U, L] bool -> [U, Q, D]."""
        readable = mask | ~mask.any(-1, keepdim=True)
        heads = self.heads

        def split(tensor: Tensor) -> Tensor:
            return tensor.view(*tensor.shape[:2], heads, -1).transpose(1, 2)

        gathered, _ = attention(
            self,
            split(self.query(queries)),
            split(self.key(states)),
            split(self.value(states)),
            readable[:, None, None, :],
            dropout=self.dropout if self.training else 0.0,
        )
        result: Tensor = self.output(gathered.flatten(-2))
        return result


class TransformerLayer(nn.Module):
    """A Transformer encoder layer (Vaswani et al. 2017) that reads itself or another sequence."""

    def __init__(self, width: int, *, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = MultiHeadAttention(width, heads=heads, dropout=dropout)
        self.inner_norm = nn.LayerNorm(width)
        self.feed_forward = feed_forward(width, dropout=dropout)
        self.outer_norm = nn.LayerNorm(width)

    def forward(self, queries: Tensor, states: Tensor, mask: Tensor) -> Tensor:
        """Shape: queries [U, Q, D], states [U, L, D], mask [U, L] bool -> [U, Q, D]."""
        inner = self.inner_norm(queries + self.attention(queries, states, mask))
        result: Tensor = self.outer_norm(inner + self.feed_forward(inner))
        return result


def feed_forward(width: int, *, dropout: float) -> nn.Module:
    """F, [decided] four times as wide inside, with GELU as in the encoders."""
    network = nn.Sequential(
        nn.Linear(width, 4 * width),
        nn.GELU(),
        FastDropout(dropout),
        nn.Linear(4 * width, width),
        FastDropout(dropout),
    )
    begin_as_transformer(network)
    return network


def begin_as_transformer(module: nn.Module) -> None:
    """Weights by Glorot's rule, biases 0 ([decided], as ``nn.Transformer`` does).

    By ``nn.Linear``'s own rule what attention gathers would be a tenth of what it is added to.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_uniform_(layer.weight)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
