"""A head for another set of labels: logistic regression on a model's log probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from mmerc.evaluation.conversation_folds import assign_folds
from mmerc.evaluation.held_out_gain import HeldOutGain, choose_refit, group_conversations

_Numbers = NDArray[np.float64]
_DEVIATIONS = (0.1, 0.3, 1.0, 3.0)  # candidate sigmas of the Gaussian prior of the weights
_SMALLEST = 1e-6
_BIAS_DEVIATION = 3.0
_PRIOR_COUNT = 1.0  # pseudo-utterances in every row of the reference mapping


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelHead:
    """Logits of L labels from K log probabilities. Shape: weights [K, L], bias [L]."""

    weights: _Numbers
    bias: _Numbers

    def apply(self, log_probabilities: _Numbers) -> _Numbers:
        """Return log probabilities of the new labels. Shape: [N, K] -> [N, L]."""
        return np.asarray(log_softmax(log_probabilities @ self.weights + self.bias, axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadOutcome(HeldOutGain):
    """A head for all labels, and its gain over a mapping of the model's labels."""

    head: LabelHead


def fit_label_head(
    log_probabilities: _Numbers,
    gold: NDArray[np.int64],
    conversations: Sequence[str],
    *,
    classes: int,
    seed: int = 0,
) -> HeadOutcome:
    """Fit a head; the strength of its prior is chosen by cross-validation over conversations.

    It is compared with the best mapping: the share of each new label among utterances predicted as
    joy, as anger, ... Both are evaluated on held-out conversations (nested cross-validation).

    Shape: log_probabilities [N, K], gold [N], 0 to ``classes`` - 1. InputError for too few labels.
    """
    groups = group_conversations(gold, conversations)
    folds = assign_folds(groups, seed=seed)
    held_out = np.zeros((len(gold), classes))
    mapped = np.zeros((len(gold), classes))
    for fold in np.unique(folds):
        inside, seen = folds == fold, folds != fold
        head = _choose(log_probabilities[seen], gold[seen], groups[seen], classes, seed=seed)
        held_out[inside] = head.apply(log_probabilities[inside])
        table = _fit_mapping(log_probabilities[seen], gold[seen], classes)
        mapped[inside] = table[log_probabilities[inside].argmax(axis=1)]
    return HeadOutcome.measure(
        mapped, held_out, gold, groups,
        seed=seed, head=_choose(log_probabilities, gold, groups, classes, seed=seed),
    )  # fmt: skip


def _fit_mapping(
    log_probabilities: _Numbers, gold: NDArray[np.int64], classes: int
) -> NDArray[np.float64]:
    """Compute log shares of the new labels for each predicted label. Shape: [K, L]."""
    count = log_probabilities.shape[1]
    shares = (np.bincount(gold, minlength=classes) + 0.5) / (len(gold) + 0.5 * classes)
    cells = log_probabilities.argmax(axis=1) * classes + gold
    table = np.bincount(cells, minlength=count * classes).reshape(count, classes)
    smoothed = table + _PRIOR_COUNT * shares
    return np.asarray(np.log(smoothed / smoothed.sum(axis=1, keepdims=True)))


def _choose(
    log_probabilities: _Numbers,
    gold: NDArray[np.int64],
    groups: NDArray[np.intp],
    classes: int,
    *,
    seed: int,
) -> LabelHead:
    """Choose the prior with the highest held-out likelihood; fit the head on all data."""
    fits = [partial(_fit, classes=classes, deviation=deviation) for deviation in _DEVIATIONS]
    return choose_refit(fits, log_probabilities, gold, groups, seed=seed + 1)


def _fit(
    log_probabilities: _Numbers, gold: NDArray[np.int64], classes: int, deviation: float
) -> LabelHead:
    """Fit MAP weights under Gaussian priors, for standardised log probabilities."""
    count = log_probabilities.shape[1]
    centre = log_probabilities.mean(axis=0)
    scale = np.maximum(log_probabilities.std(axis=0), _SMALLEST)
    inputs, target = (log_probabilities - centre) / scale, np.eye(classes)[gold]
    deviations = np.concatenate(
        [np.full(classes, _BIAS_DEVIATION), np.full(count * classes, deviation)]
    )

    def loss(values: _Numbers) -> tuple[float, _Numbers]:
        bias, weights = values[:classes], values[classes:].reshape(count, classes)
        mapped = log_softmax(inputs @ weights + bias, axis=1)
        excess = np.exp(mapped) - target
        gradient = np.concatenate([excess.sum(axis=0), (inputs.T @ excess).ravel()])
        penalty = values / deviations**2
        value = -float((mapped * target).sum()) + 0.5 * float(values @ penalty)
        return value, gradient + penalty

    best = minimize(loss, np.zeros(len(deviations)), jac=True, method="L-BFGS-B").x
    weights = best[classes:].reshape(count, classes) / scale[:, None]
    return LabelHead(weights=weights, bias=best[:classes] - centre @ weights)
