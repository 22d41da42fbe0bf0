"""The multilayer perceptron used in the papers."""

from __future__ import annotations

from torch import nn

from mmerc.nn.dropout import FastDropout


def mlp(width_in: int, width_out: int, *, hidden: int | None = None, dropout: float) -> nn.Module:
    """Build Linear - ReLU - Dropout - Linear ([decided]: DF-ERC gives no depth).

    Shape: [..., width_in] -> [..., width_out]. ``hidden`` is ``width_out`` by default.
    """
    hidden = width_out if hidden is None else hidden
    return nn.Sequential(
        nn.Linear(width_in, hidden), nn.ReLU(), FastDropout(dropout), nn.Linear(hidden, width_out)
    )
