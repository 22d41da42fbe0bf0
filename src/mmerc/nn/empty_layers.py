"""Layers without initialisation, for weights that are loaded next. Saves about a second."""

from __future__ import annotations

from torch import nn


class EmptyLinear(nn.Linear):
    """A linear layer with uninitialised weights."""

    def reset_parameters(self) -> None:
        """Leave the weights undefined."""


class EmptyEmbedding(nn.Embedding):
    """An embedding with uninitialised weights."""

    def reset_parameters(self) -> None:
        """Leave the weights undefined."""


class EmptyConv1d(nn.Conv1d):
    """A convolution with uninitialised weights."""

    def reset_parameters(self) -> None:
        """Leave the weights undefined."""
