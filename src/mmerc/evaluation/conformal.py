"""Conformal prediction sets: the labels that contain the true one with a chosen probability.

Split conformal prediction (Vovk et al. 2005): a label is in the set unless its nonconformity
exceeds that of the true label for all but a small share of held-out utterances.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation.conversation_folds import assign_folds

SetMethod = Literal["lac", "aps"]
SET_METHODS: tuple[SetMethod, ...] = get_args(SetMethod)
_Numbers = NDArray[np.float64]
_ROUNDING = 1e-9  # 10 * 0.9 should need the 9th score, not the 10th


def nonconformity(probabilities: _Numbers, method: SetMethod) -> _Numbers:
    """Compute the nonconformity of each label, 0 to 1; 0 for the most probable one.

    ``lac``: one minus the label's probability (least ambiguous sets, Sadinle et al. 2019). ``aps``:
    the total probability of all more probable labels (adaptive prediction sets, Romano et al.
    2020), without randomisation, so that sets are deterministic. [decided] The most probable label
    has score 0 in both, so that no set is empty.

    Shape: probabilities [N, K] -> [N, K].
    """
    order = np.argsort(-probabilities, axis=1, kind="stable")
    if method == "lac":
        scores = 1 - probabilities
        np.put_along_axis(scores, order[:, :1], 0.0, axis=1)
        return scores
    ordered = np.take_along_axis(probabilities, order, axis=1)
    scores = np.empty_like(ordered)
    np.put_along_axis(scores, order, ordered.cumsum(axis=1) - ordered, axis=1)
    return scores


def smallest_count(level: float) -> int:
    """Return the minimum number of labelled utterances for a level (0 to 1)."""
    return max(1, math.ceil(level / (1 - level) - _ROUNDING))


def thin_scores(scores: _Numbers, *, points: int) -> tuple[float, ...]:
    """Sort scores and keep ``points`` of them, evenly spaced in rank, including the largest."""
    ordered = np.sort(scores)
    kept = np.ceil(len(ordered) * np.arange(1, points + 1) / points).astype(np.intp) - 1
    return tuple((ordered if len(ordered) <= points else ordered[kept]).tolist())


def conformal_threshold(grid: Sequence[float], count: int, level: float) -> float:
    """Return the largest score within the set.

    It is score number ceil((count + 1) level) of ``count`` sorted scores, so that a new utterance's
    label is covered with probability ``level`` or more; infinite if there are too few. In a
    ``grid`` from ``thin_scores``, the next larger score is used.
    """
    rank = math.ceil((count + 1) * level - _ROUNDING)
    if rank > count:
        return math.inf
    return grid[math.ceil(rank * len(grid) / count - _ROUNDING) - 1]


def label_sets(
    probabilities: _Numbers, method: SetMethod, thresholds: float | _Numbers
) -> NDArray[np.bool_]:
    """Return each utterance's set as a mask.

    Shape: probabilities [N, K], ``thresholds`` [1] or [K] -> [N, K] bool.
    """
    return np.asarray(nonconformity(probabilities, method) <= np.asarray(thresholds) + _ROUNDING)


def gold_scores(
    probabilities: _Numbers, gold: NDArray[np.int64], method: SetMethod
) -> NDArray[np.float64]:
    """Return the score of each utterance's true label. Shape: [N, K], [N] -> [N]."""
    return np.asarray(nonconformity(probabilities, method)[np.arange(len(gold)), gold])


def choose_method(
    probabilities: _Numbers,
    gold: NDArray[np.int64],
    groups: NDArray[np.intp],
    *,
    level: float = 0.9,
    seed: int = 0,
) -> SetMethod:
    """Choose the method with the smaller sets at one level of coverage.

    Sizes are measured on held-out folds of conversations. Shape: probabilities [N, K], gold [N],
    groups [N], the number of each utterance's conversation.
    """
    folds = assign_folds(groups, seed=seed)
    sizes: dict[SetMethod, int] = {}
    for method in SET_METHODS:
        sizes[method] = 0
        for fold in np.unique(folds):
            scores = np.sort(gold_scores(probabilities, gold, method)[folds != fold])
            threshold = conformal_threshold(scores.tolist(), len(scores), level)
            sizes[method] += int(label_sets(probabilities[folds == fold], method, threshold).sum())
    return min(SET_METHODS, key=sizes.__getitem__)
