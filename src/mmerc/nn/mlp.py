"""The multilayer perceptron used in the papers."""

from __future__ import annotations

from torch import nn

from mmerc.nn.dropout import FastDropout
from mmerc.nn.wide_linear import WideLinear


def mlp(
    width_in: int,
    width_out: int,
    *,
    hidden: int | None = None,
    dropout: float,
    constant: int = 0,
) -> nn.Module:
    """Build Linear - ReLU - Dropout - Linear ([decided]: DF-ERC gives no depth).

    Shape: [..., width_in] -> [..., width_out]. ``hidden`` is ``width_out`` by default. The first
    ``constant`` inputs are stored vectors (``linear``).
    """
    hidden = width_out if hidden is None else hidden
    first = linear(width_in, hidden, constant=constant)
    return nn.Sequential(first, nn.ReLU(), FastDropout(dropout), nn.Linear(hidden, width_out))


def linear(width_in: int, width_out: int, *, constant: int) -> nn.Linear:
    """Build a linear layer, without a gradient towards its first ``constant`` inputs."""
    if constant == 0 and width_in <= 2 * width_out:
        return nn.Linear(width_in, width_out)
    return WideLinear(width_in, width_out, constant=constant)
