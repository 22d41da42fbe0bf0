"""Temperature scaling (Guo et al., ICML 2017), which calibrates a model's probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar

from mmerc.evaluation.metrics import labelled, negative_log_likelihood
from mmerc.evaluation.predictions import Predictions

_SMALLEST = 1e-12
_COLDEST, _HOTTEST = 0.05, 20.0


def fit_temperature(predictions: Predictions) -> float:
    """Fit the temperature that maximises the likelihood.

    ``predictions`` come from a model with temperature 1, on held-out utterances; InputError without
    labels.
    """
    scored = labelled(predictions)

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(temper(scored, float(np.exp(log_temperature))))

    bounds = (float(np.log(_COLDEST)), float(np.log(_HOTTEST)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def temper(predictions: Predictions, temperature: float) -> Predictions:
    """Return the predictions at another temperature.

    ``predictions`` come from a model with temperature 1.
    """
    scores = np.log(np.maximum(predictions.probabilities, _SMALLEST)) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return replace(predictions, probabilities=shares)
