"""Temperature scaling (Guo et al., ICML 2017): how sure a model may say that it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from scipy.optimize import minimize_scalar

from mmerc.evaluation.metrics import labelled, negative_log_likelihood
from mmerc.evaluation.predictions import Predictions

SMALLEST = 1e-12
COLDEST, HOTTEST = 0.05, 20.0


def fit_temperature(predictions: Predictions) -> float:
    """The temperature by which scores are divided so that the likelihood is greatest.

    Fitted on labelled predictions that training did not see, of a model whose temperature is 1;
    InputError where no label is known.
    """
    known = labelled(predictions)

    def loss(log_temperature: float) -> float:
        return negative_log_likelihood(tempered(known, float(np.exp(log_temperature))))

    bounds = (float(np.log(COLDEST)), float(np.log(HOTTEST)))
    return float(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x))


def tempered(predictions: Predictions, temperature: float) -> Predictions:
    """The predictions of the same model at another temperature."""
    scores = np.log(np.maximum(predictions.probabilities, SMALLEST)) / temperature
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)
    return replace(predictions, probabilities=shares)
