"""Layers without initial values, for weights that are loaded next: drawing them takes a second."""

from __future__ import annotations

from torch import nn


class EmptyLinear(nn.Linear):
    """A linear layer whose weights are to be loaded."""

    def reset_parameters(self) -> None:
        """Leave the weights undefined."""


class EmptyEmbedding(nn.Embedding):
    """An embedding whose weights are to be loaded."""

    def reset_parameters(self) -> None:
        """Leave the weights undefined."""


class EmptyConv1d(nn.Conv1d):
    """A convolution whose weights are to be loaded."""

    def reset_parameters(self) -> None:
        """Leave the weights undefined."""
