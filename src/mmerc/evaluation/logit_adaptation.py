"""A light refit of a model's last step to new labels, chosen by cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.metrics import f1_score

from mmerc.errors import InputError
from mmerc.evaluation.conversation_folds import assign_folds
from mmerc.evaluation.significance import percentile_interval, resample_conversations

Kind = Literal["unchanged", "temperature", "prior", "last layer"]
_Numbers = NDArray[np.float64]
_MIN_LABELS = 20
_LEVEL = 0.95
_Z = 1.96  # standard errors that a gain must exceed
# Deviations of the Gaussian priors around the unchanged model: log scale, bias, matrix.
_CANDIDATES: tuple[tuple[Kind, float, float], ...] = (
    ("unchanged", 0.0, 0.0),
    ("temperature", 0.0, 0.0),
    ("prior", 0.3, 0.0),
    ("prior", 1.0, 0.0),
    ("last layer", 0.5, 0.1),
    ("last layer", 1.0, 0.3),
)
_SCALE_DEVIATION = 1.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LogitMap:
    """An affine map of the log probabilities, whose softmax are the adapted ones.

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
class Adaptation:
    """The map for all labels, and what the way it was chosen gains on labels that it did not see.

    ``gain``: nats of negative log-likelihood per utterance, with its 95 % interval over
    conversations; accuracy and weighted F1 in percent, before and after. ``better``: the interval
    is above 0. ``more_labels``: how many more labels would make it so if the gain stays, None if
    there is no gain. ``held_out``: log probabilities of each utterance by the map that was chosen
    without its fold [N, K].
    """

    map: LogitMap
    labels: int
    conversations: int
    gain: float
    low: float
    high: float
    accuracy: tuple[float, float]
    weighted_f1: tuple[float, float]
    better: bool
    more_labels: int | None
    held_out: _Numbers = field(compare=False, repr=False)


def adapt_logits(
    log_probabilities: _Numbers,
    gold: NDArray[np.int64],
    conversations: Sequence[str],
    *,
    seed: int = 0,
) -> Adaptation:
    """Choose and fit a map by cross-validation over conversations.

    Candidates are the unchanged model, a temperature, a temperature with a prior (a bias), and a
    last layer, each shrunk towards the unchanged model by a Gaussian prior [decided]. The
    candidate is chosen by the held-out likelihood; the gain is measured by choosing it again
    without each fold (nested cross-validation).

    Shape: log_probabilities [N, K], gold [N]. InputError for fewer than 20 labels or 3
    conversations.
    """
    names, groups = np.unique(np.array(conversations), return_inverse=True)
    if len(gold) < _MIN_LABELS or len(names) < 3:
        problem = f"{len(gold)} labels in {len(names)} conversations"
        raise InputError("labels", problem, f"label {_MIN_LABELS} utterances in 3 conversations")
    folds = assign_folds(groups, seed=seed)
    held_out = np.zeros_like(log_probabilities)
    for fold in np.unique(folds):
        train = folds != fold
        chosen = _choose(log_probabilities[train], gold[train], groups[train], seed=seed)
        held_out[~train] = chosen.apply(log_probabilities[~train])
    rows = np.arange(len(gold))
    gains = held_out[rows, gold] - log_probabilities[rows, gold]
    gain, (low, high), error = bootstrap_gain(gains, groups, len(names), seed=seed)
    before, after = (values.argmax(axis=1) for values in (log_probabilities, held_out))
    return Adaptation(
        map=_choose(log_probabilities, gold, groups, seed=seed),
        labels=len(gold),
        conversations=len(names),
        gain=gain,
        low=low,
        high=high,
        accuracy=(100 * float((before == gold).mean()), 100 * float((after == gold).mean())),
        weighted_f1=(weighted_f1(gold, before), weighted_f1(gold, after)),
        better=low > 0,
        more_labels=count_missing(gain, error, len(gold), better=low > 0),
        held_out=held_out,
    )


def weighted_f1(gold: NDArray[np.int64], predicted: NDArray[np.int64]) -> float:
    """Weighted F1 in percent."""
    return 100 * float(f1_score(gold, predicted, average="weighted", zero_division=0))


def bootstrap_gain(
    gains: _Numbers, groups: NDArray[np.intp], count: int, *, seed: int
) -> tuple[float, tuple[float, float], float]:
    """Mean gain per utterance, its interval over conversations and its standard error."""
    sums = np.bincount(groups, weights=gains, minlength=count)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    table = np.stack([sums, sizes], axis=1)
    draws = np.concatenate(list(resample_conversations(table, resamples=2000, seed=seed)))
    means = draws[:, 0] / draws[:, 1]
    return float(gains.mean()), percentile_interval(means, level=_LEVEL), float(means.std())


def count_missing(gain: float, error: float, labels: int, *, better: bool) -> int | None:
    """Labels still missing until a gain of this size exceeds its interval; None without a gain."""
    if better:
        return 0
    if gain <= 0:
        return None
    return max(1, math.ceil(labels * (_Z * error / gain) ** 2) - labels)


def _choose(
    log_probabilities: _Numbers, gold: NDArray[np.int64], groups: NDArray[np.intp], *, seed: int
) -> LogitMap:
    """The candidate of the highest held-out likelihood, fitted on everything."""
    folds = assign_folds(groups, seed=seed + 1)
    parts = [folds == fold for fold in np.unique(folds)]
    scores = [
        sum(
            _fit(log_probabilities[~part], gold[~part], candidate)
            .apply(log_probabilities[part])[np.arange(int(part.sum())), gold[part]]
            .sum()
            for part in parts
        )
        for candidate in _CANDIDATES
    ]
    return _fit(log_probabilities, gold, _CANDIDATES[int(np.argmax(scores))])


def _fit(
    log_probabilities: _Numbers, gold: NDArray[np.int64], candidate: tuple[Kind, float, float]
) -> LogitMap:
    """Fit one candidate: the most probable map under its prior."""
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
