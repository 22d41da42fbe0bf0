"""Adjust predictions to the label shares of a corpus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation.label_alignment import with_probabilities
from mmerc.evaluation.metrics import labelled
from mmerc.evaluation.predictions import Predictions

_ITERATIONS = 1000
_TOLERANCE = 1e-6  # of a share


def label_shares(predictions: Predictions) -> NDArray[np.float64]:
    """Share of each label among the gold labels. Shape: -> [K]."""
    gold = labelled(predictions).gold
    return np.bincount(gold, minlength=len(predictions.labels)) / len(gold)


def match_prior(predictions: Predictions) -> Predictions:
    """Reweight labels so that the mean probabilities equal the gold shares.

    One factor per label, the same for all utterances (Saerens et al. 2002, Eq. 2.4, with the
    corpus's shares instead of estimates). The gain in score is the loss due to the prior; the
    remaining errors are recognition errors. Uses only the shares of the gold labels.
    """
    shares = label_shares(predictions)
    mass = predictions.probabilities.astype(np.float64)
    factors = _find_factors(mass[predictions.gold >= 0], shares)
    return with_probabilities(
        predictions, mass * factors, labels=predictions.labels, gold=predictions.gold
    )


def _find_factors(mass: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Find the factors of the labels by iterative proportional fitting.

    Shape: mass [N, K], shares [K] -> [K].
    """
    factors = (shares > 0).astype(np.float64)
    for _ in range(_ITERATIONS):
        weighted = mass * factors
        total = weighted.sum(axis=1, keepdims=True)
        means = (weighted / np.where(total > 0, total, 1)).mean(axis=0)
        if np.abs(means - shares).max() < _TOLERANCE:
            break
        factors *= np.divide(shares, means, out=np.ones_like(shares), where=means > 0)
        factors /= factors.max()
    return factors
