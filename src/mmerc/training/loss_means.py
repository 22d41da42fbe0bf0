"""Means of the loss terms over an epoch."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class LossMeans:
    """Means of the loss terms over the utterances of an epoch's batches.

    Lightning's own means, one per term, take 2.5 % of a step on stored vectors.
    """

    def __init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Forget all batches."""
        self.names: tuple[str, ...] = ()
        self.totals: Tensor | None = None
        self.utterances = 0

    def add(self, terms: Mapping[str, Tensor], utterances: int) -> None:
        """Add the terms of a batch, whose names must be the same in every batch."""
        if self.names not in {(), tuple(terms)}:
            raise ValueError(f"loss terms: expected {self.names}, got {tuple(terms)}")
        weighted = torch.stack([term.detach().float() for term in terms.values()]) * utterances
        self.names = tuple(terms)
        self.totals = weighted if self.totals is None else self.totals + weighted
        self.utterances += utterances

    def compute(self) -> dict[str, Tensor]:
        """Return the mean of each term; empty before the first batch."""
        if self.totals is None:
            return {}
        return dict(zip(self.names, self.totals / max(self.utterances, 1), strict=True))
