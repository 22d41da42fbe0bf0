"""A light refit of a model's output to new labels, chosen by cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax

from mmerc.evaluation.conversation_folds import assign_folds
from mmerc.evaluation.held_out_gain import HeldOutGain, choose_refit, group_conversations

Kind = Literal["unchanged", "temperature", "prior", "last layer", "LoRA"]
_Numbers = NDArray[np.float64]
# Sigmas of the Gaussian priors around the original model: log scale, bias, matrix.
_CANDIDATES: tuple[tuple[Kind, float, float], ...] = (
    ("unchanged", 0.0, 0.0),
    ("temperature", 0.0, 0.0),
    ("prior", 0.3, 0.0),
    ("prior", 1.0, 0.0),
    ("last layer", 0.5, 0.1),
    ("last layer", 1.0, 0.3),
)
# For the log scale: 20 accidentally correct labels must not double the model's confidence.
_SCALE_DEVIATION = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogitMap:
    """An affine map of log probabilities, followed by softmax.

    For the kind "LoRA" it is the identity, because the model itself was changed.

    Shape: weights [K, K], bias [K].
    """

    kind: Kind
    weights: _Numbers
    bias: _Numbers

    def apply(self, log_probabilities: _Numbers) -> _Numbers:
        """Adapt log probabilities. Shape: [N, K] -> [N, K]."""
        mapped = log_probabilities @ self.weights + self.bias
        return np.asarray(log_softmax(mapped, axis=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Adaptation(HeldOutGain):
    """The map for all labels, and its gain over the original model.

    ``remarks``: limitations due to the labels.
    """

    map: LogitMap
    remarks: tuple[str, ...] = ()


def adapt_logits(
    log_probabilities: _Numbers,
    gold: NDArray[np.int64],
    conversations: Sequence[str],
    *,
    seed: int = 0,
) -> Adaptation:
    """Choose and fit a map by cross-validation over conversations.

    Candidates are the original model, a temperature, a temperature with a prior (a bias), and a
    last layer, each shrunk towards the original model by a Gaussian prior [decided]. The candidate
    is chosen by held-out likelihood; the gain is measured by nested cross-validation.

    Shape: log_probabilities [N, K], gold [N]. InputError for fewer than 20 labels or 3
    conversations.
    """
    groups = group_conversations(gold, conversations)
    folds = assign_folds(groups, seed=seed)
    held_out = np.zeros_like(log_probabilities)
    for fold in np.unique(folds):
        train = folds != fold
        chosen = _choose(log_probabilities[train], gold[train], groups[train], seed=seed)
        held_out[~train] = chosen.apply(log_probabilities[~train])
    return Adaptation.measure(
        log_probabilities, held_out, gold, groups,
        seed=seed, map=_choose(log_probabilities, gold, groups, seed=seed),
    )  # fmt: skip


def _choose(
    log_probabilities: _Numbers, gold: NDArray[np.int64], groups: NDArray[np.intp], *, seed: int
) -> LogitMap:
    """Choose the candidate with the highest held-out likelihood; fit it on all data."""
    fits = [partial(_fit, candidate=candidate) for candidate in _CANDIDATES]
    return choose_refit(fits, log_probabilities, gold, groups, seed=seed + 1)


def _fit(
    log_probabilities: _Numbers, gold: NDArray[np.int64], candidate: tuple[Kind, float, float]
) -> LogitMap:
    """Fit one candidate: the MAP estimate under its prior."""
    kind, bias_deviation, matrix_deviation = candidate
    count = log_probabilities.shape[1]
    deviations = np.concatenate(
        [
            [0.0 if kind == "unchanged" else _SCALE_DEVIATION],
            np.full(count, bias_deviation),
            np.full(count * count, matrix_deviation),
        ]
    )
    free = deviations > 0
    target = np.eye(count)[gold]

    def unpack(values: _Numbers) -> tuple[float, _Numbers, _Numbers]:
        everything = np.zeros(len(deviations))
        everything[free] = values
        scale = float(np.exp(everything[0]))
        bias, matrix = everything[1 : count + 1], everything[count + 1 :].reshape(count, count)
        return scale, scale * np.eye(count) + matrix, bias

    def loss(values: _Numbers) -> tuple[float, _Numbers]:
        scale, weights, bias = unpack(values)
        mapped = log_softmax(log_probabilities @ weights + bias, axis=1)
        excess = np.exp(mapped) - target
        slope = log_probabilities.T @ excess
        gradient = np.concatenate([[scale * np.trace(slope)], excess.sum(axis=0), slope.ravel()])
        penalty = values / deviations[free] ** 2
        value = -float((mapped * target).sum()) + 0.5 * float(values @ penalty)
        return value, gradient[free] + penalty

    start = np.zeros(int(free.sum()))
    best = minimize(loss, start, jac=True, method="L-BFGS-B").x if free.any() else start
    _, weights, bias = unpack(best)
    return LogitMap(kind=kind, weights=weights, bias=bias)
