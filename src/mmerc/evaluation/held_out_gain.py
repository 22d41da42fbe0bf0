"""The held-out gain of a refit, and the choice among refits."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t
from sklearn.metrics import f1_score

from mmerc.errors import InputError
from mmerc.evaluation.conversation_folds import assign_folds
from mmerc.evaluation.significance import percentile_interval, resample_conversations

_Numbers = NDArray[np.float64]
_Labels = NDArray[np.int64]
_MIN_LABELS, _MIN_CONVERSATIONS = 20, 3
_LEVEL = 0.95
_Z = 1.96  # minimum gain in standard errors


class _Refit(Protocol):
    def apply(self, log_probabilities: _Numbers) -> _Numbers: ...


_AnyRefit = TypeVar("_AnyRefit", bound=_Refit)


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldOutGain:
    """The quality of a refit on held-out labels.

    ``gain``: gain in log-likelihood per utterance over the reference, in nats, with 95 % interval
    over conversations. Accuracy and weighted F1 in percent, of reference and refit. ``better``: the
    interval is above 0. ``more_labels``: estimated number of additional labels for that, if the
    gain stays; None without a gain. ``held_out``: log probabilities of each utterance from a refit
    without its conversation [N, L].
    """

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

    @classmethod
    def measure(
        cls,
        reference: _Numbers,
        held_out: _Numbers,
        gold: _Labels,
        groups: NDArray[np.intp],
        *,
        seed: int,
        **extra: Any,
    ) -> Self:
        """Compare log probabilities; ``extra``: additional fields of a subclass.

        Shape: reference and held_out [N, L], gold and groups [N].
        """
        rows, count = np.arange(len(gold)), int(groups.max()) + 1
        gains = held_out[rows, gold] - reference[rows, gold]
        gain, (low, high), error = _bootstrap_gain(gains, groups, count, seed=seed)
        before, after = (values.argmax(axis=1) for values in (reference, held_out))
        return cls(
            labels=len(gold),
            conversations=count,
            gain=gain,
            low=low,
            high=high,
            accuracy=(100 * float((before == gold).mean()), 100 * float((after == gold).mean())),
            weighted_f1=(_weighted_f1(gold, before), _weighted_f1(gold, after)),
            better=low > 0,
            more_labels=_count_missing(gain, error, len(gold), better=low > 0),
            held_out=held_out,
            **extra,
        )


def group_conversations(gold: _Labels, conversations: Sequence[str]) -> NDArray[np.intp]:
    """Number the conversations of labels. Shape: gold [N] -> [N].

    InputError for fewer than 20 labels or 3 conversations.
    """
    names, groups = np.unique(np.array(conversations), return_inverse=True)
    if len(gold) < _MIN_LABELS or len(names) < _MIN_CONVERSATIONS:
        problem = f"{len(gold)} labels in {len(names)} conversations"
        fix = f"label {_MIN_LABELS} utterances in {_MIN_CONVERSATIONS} conversations"
        raise InputError("labels", problem, fix)
    return groups


def choose_refit(
    fits: Sequence[Callable[[_Numbers, _Labels], _AnyRefit]],
    log_probabilities: _Numbers,
    gold: _Labels,
    groups: NDArray[np.intp],
    *,
    seed: int,
) -> _AnyRefit:
    """Choose the refit with the highest held-out likelihood, and fit it on all data.

    Shape: log_probabilities [N, K], gold and groups [N].
    """
    folds = assign_folds(groups, seed=seed)
    parts = [folds == fold for fold in np.unique(folds)]
    scores = [
        sum(
            fit(log_probabilities[~part], gold[~part])
            .apply(log_probabilities[part])[np.arange(int(part.sum())), gold[part]]
            .sum()
            for part in parts
        )
        for fit in fits
    ]
    return fits[int(np.argmax(scores))](log_probabilities, gold)


def _weighted_f1(gold: _Labels, predicted: NDArray[np.intp]) -> float:
    """Weighted F1 in percent."""
    return 100 * float(f1_score(gold, predicted, average="weighted", zero_division=0))


def _bootstrap_gain(
    gains: _Numbers, groups: NDArray[np.intp], count: int, *, seed: int
) -> tuple[float, tuple[float, float], float]:
    """Return the mean gain per utterance, its interval over conversations and standard error.

    The percentile interval is too narrow for few conversations. It is expanded by the ratio of a t
    to a normal interval, and from n to n - 1 in the variance (Hesterberg 2015, "What Teachers
    Should Know About the Bootstrap", section 5.3): by 2.7 times for three conversations, by 6 % for
    30.
    """
    sums = np.bincount(groups, weights=gains, minlength=count)
    sizes = np.bincount(groups, minlength=count).astype(np.float64)
    table = np.stack([sums, sizes], axis=1)
    draws = np.concatenate(list(resample_conversations(table, resamples=2000, seed=seed)))
    means = draws[:, 0] / draws[:, 1]
    gain, (low, high) = float(gains.mean()), percentile_interval(means, level=_LEVEL)
    factor = _expand(count)
    interval = (gain - factor * (gain - low), gain + factor * (high - gain))
    return gain, interval, factor * float(means.std())


def _expand(count: int) -> float:
    """Return the expansion factor of the interval for ``count`` conversations."""
    quantile = float(t.ppf((1 + _LEVEL) / 2, count - 1))
    return quantile / _Z * math.sqrt(count / (count - 1))


def _count_missing(gain: float, error: float, labels: int, *, better: bool) -> int | None:
    """Estimate the labels missing for a significant gain; None without a gain."""
    if better:
        return 0
    if gain <= 0:
        return None
    return max(1, math.ceil(labels * (_Z * error / gain) ** 2) - labels)
