"""The alternative annotator test: whether a model may replace a rater.

Calderon, Reichart and Dror, "The Alternative Annotator Test for LLM-as-a-Judge: How to
Statistically Justify Replacing Human Annotators with LLMs", ACL 2025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mmerc.errors import InputError
from mmerc.evaluation.agreement import count_ratings

MIN_UTTERANCES = 30  # minimum for the paper's t test
_FALSE_DISCOVERIES = 0.05
_PASS_RATE = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelAgainstRater:
    """The model compared with one rater; the other raters are the reference.

    ``advantage``: how often (0 to 1) the model agrees with the others at least as much as the
    rater. ``p_value``: for the hypothesis that it is worse by the margin or more, adjusted for
    several raters (Benjamini and Yekutieli 2001).
    """

    rater: str
    utterances: int
    advantage: float
    p_value: float
    won: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlternativeAnnotatorTest:
    """The overall result; ``passed`` if the model wins against at least half of the raters."""

    margin: float
    comparisons: tuple[ModelAgainstRater, ...]
    winning_rate: float
    advantage: float
    passed: bool


def alternative_annotator_test(
    ratings: NDArray[np.int64],
    model: NDArray[np.int64],
    *,
    raters: Sequence[str],
    count: int,
    margin: float,
) -> AlternativeAnnotatorTest:
    """Compare the model with each rater, by agreement with the remaining raters.

    ``margin`` is the paper's epsilon: how much worse the model may be, given its lower cost. Raters
    with fewer than 30 comparable utterances are excluded; InputError if fewer than two remain.

    Shape: ratings [R, N], model [N]; negative: missing.
    """
    counts = count_ratings(ratings, count)
    differences, advantages, names = [], [], []
    for name, rating in zip(raters, ratings, strict=True):
        wins, losses = _compare(rating, model, counts)
        if len(wins) >= MIN_UTTERANCES:
            names.append(name)
            advantages.append(float(wins.mean()))
            differences.append(losses.astype(np.float64) - wins)
    if len(names) < 2:
        problem = f"{len(names)} of {len(raters)} raters have {MIN_UTTERANCES} utterances in common"
        fix = "label more of the same utterances"
        raise InputError("alternative annotator test", f"{problem} with another and the model", fix)
    adjusted = stats.false_discovery_control(
        [_p_value(values, margin) for values in differences], method="by"
    )
    comparisons = tuple(
        ModelAgainstRater(
            rater=name,
            utterances=len(values),
            advantage=advantage,
            p_value=float(p_value),
            won=bool(p_value <= _FALSE_DISCOVERIES),
        )
        for name, values, advantage, p_value in zip(
            names, differences, advantages, adjusted, strict=True
        )
    )
    rate = float(np.mean([item.won for item in comparisons]))
    return AlternativeAnnotatorTest(
        margin=margin,
        comparisons=comparisons,
        winning_rate=rate,
        advantage=float(np.mean(advantages)),
        passed=rate >= _PASS_RATE,
    )


def _compare(
    rater: NDArray[np.int64], model: NDArray[np.int64], counts: NDArray[np.float64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return where the model, and where the rater, agrees at least as much (Eq. 2).

    Only for units labelled by the rater, the model and another rater. Shape: -> [n], [n].
    """
    units = np.flatnonzero((rater >= 0) & (model >= 0) & (counts.sum(axis=1) > 1))
    others = counts[units]
    others[np.arange(len(units)), rater[units]] -= 1
    of_model = others[np.arange(len(units)), model[units]]
    of_rater = others[np.arange(len(units)), rater[units]]
    return of_model >= of_rater, of_rater >= of_model


def _p_value(differences: NDArray[np.float64], margin: float) -> float:
    """Return the one-sided p value of a mean difference of ``margin`` or more."""
    if np.ptp(differences) == 0:
        return 0.0 if differences[0] < margin else 1.0
    return float(stats.ttest_1samp(differences, margin, alternative="less").pvalue)
