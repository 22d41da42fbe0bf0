"""Significance: bootstrap intervals over conversations, and tests over seeds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mmerc.errors import InputError, UsageError
from mmerc.evaluation.metrics import FROM_CONFUSION, Metric, labelled
from mmerc.evaluation.multiple_tests import finite_values
from mmerc.evaluation.predictions import Predictions

_CHUNK_NUMBERS = 4_000_000  # float64 numbers in memory at a time, 32 MB
_NO_SPREAD = 1e-9  # percentage points; smaller spreads are due to rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """First minus second in percentage points, its interval, and a two-sided p value."""

    metric: Metric
    difference: float
    low: float
    high: float
    level: float
    p_value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedTest:
    """First minus second over seeds; a p value is None if no test is possible.

    ``wilcoxon_p_value`` is for paired seeds only, and at least 0.0625 with five seeds.
    """

    difference: float
    paired: bool
    t_p_value: float | None
    wilcoxon_p_value: float | None


class Summary(NamedTuple):
    """Mean and sample standard deviation."""

    mean: float
    std: float


def bootstrap_interval(
    runs: Sequence[Predictions],
    *,
    metric: Metric = "weighted_f1",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Compute the percentile interval, in percent, of the metric's mean over ``runs`` (seeds).

    Whole conversations are resampled, identically for all runs, so the interval shows the variation
    over conversations, not seeds. InputError if the runs do not cover the same utterances, or fewer
    than two conversations.
    """
    _check_settings(metric=metric, level=level, resamples=resamples)
    confusions = _conversation_confusions(aligned(runs))
    chunks = resample_conversations(confusions, resamples=resamples, seed=seed)
    means = np.concatenate([FROM_CONFUSION[metric](chunk).mean(axis=1) for chunk in chunks])
    return percentile_interval(means, level=level)


def paired_bootstrap(
    first: Sequence[Predictions],
    second: Sequence[Predictions],
    *,
    metric: Metric = "weighted_f1",
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedDifference:
    """Compare the means over the runs of two systems on the same resampled conversations.

    InputError if the runs do not all cover the same utterances with the same gold labels.
    """
    _check_settings(metric=metric, level=level, resamples=resamples)
    if not first or not second:
        raise InputError("comparison", "one side has no run", "give each side a run or more")
    confusions = _conversation_confusions(aligned([*first, *second]))

    def differences(values: NDArray[np.float64]) -> NDArray[np.float64]:
        scores = FROM_CONFUSION[metric](values)
        one, other = scores[:, : len(first)], scores[:, len(first) :]
        return np.asarray(one.mean(axis=1) - other.mean(axis=1))

    chunks = resample_conversations(confusions, resamples=resamples, seed=seed)
    drawn = np.concatenate([differences(chunk) for chunk in chunks])
    low, high = percentile_interval(drawn, level=level)
    observed = float(differences(confusions.sum(axis=0, keepdims=True))[0])
    p_value = _two_sided(drawn)
    return PairedDifference(
        metric=metric, difference=observed, low=low, high=high, level=level, p_value=p_value
    )


def _check_settings(*, metric: str, level: float, resamples: int) -> None:
    """Refuse invalid settings of a bootstrap."""
    if metric not in FROM_CONFUSION:
        raise UsageError(f"No metric is called {metric!r}; available: {', '.join(FROM_CONFUSION)}.")
    if not 0 < level < 1 or resamples < 1:
        problem = f"level {level} and {resamples} resamples"
        raise UsageError(f"A bootstrap needs a level in (0, 1) and a resample, got {problem}.")


def aligned(runs: Sequence[Predictions]) -> list[Predictions]:
    """Return labelled rows of each run in one order; InputError if the runs do not match."""
    if not runs:
        raise InputError("runs", "no run to compare", "give one run or more")
    ordered = [_sort_rows(labelled(run)) for run in runs]
    reference = ordered[0]
    for number, run in enumerate(ordered[1:], start=2):
        fix = "compare runs on the same split of the same corpus"
        if run.labels.names != reference.labels.names:
            raise InputError(f"run {number}", "its label set is not that of run 1", fix)
        if run.keys != reference.keys:
            count = len(set(run.keys) ^ set(reference.keys))
            problem = f"its labelled utterances are not those of run 1 ({count} differ)"
            raise InputError(f"run {number}", problem, fix)
        if (run.gold != reference.gold).any():
            count = int((run.gold != reference.gold).sum())
            problem = f"its gold labels are not those of run 1 ({count} differ)"
            raise InputError(f"run {number}", problem, fix)
    return ordered


def _sort_rows(predictions: Predictions) -> Predictions:
    """Sort rows by conversation and utterance id."""
    keys = predictions.keys
    order = sorted(range(len(keys)), key=keys.__getitem__)
    return predictions.take(np.array(order, dtype=np.intp))


def _conversation_confusions(runs: Sequence[Predictions]) -> NDArray[np.float64]:
    """Compute the confusion matrix of each conversation and run.

    Shape: [C, S, K, K], rows gold. InputError below two conversations.
    """
    names, conversation = np.unique(np.array(runs[0].conversations), return_inverse=True)
    if len(names) < 2:
        fix = "report it without an interval, or use a split of several conversations"
        raise InputError("bootstrap", "one conversation cannot be resampled", fix)
    pairs = [(run.gold, run.predicted) for run in runs]
    shape = (len(names), len(runs), len(runs[0].labels), len(runs[0].labels))
    gold, predicted = (np.stack(rows) for rows in zip(*pairs, strict=True))
    place = np.broadcast_arrays(conversation, np.arange(len(runs))[:, None], gold, predicted)
    cells = np.ravel_multi_index(tuple(place), shape).ravel()
    counts = np.bincount(cells, minlength=int(np.prod(shape)))
    return counts.reshape(shape).astype(np.float64)


def resample_conversations(
    counts: NDArray[np.float64], *, resamples: int, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Sum the counts of conversations drawn with replacement, in chunks of resamples.

    Shape: counts [C, ...] -> chunks of [R, ...].
    """
    generator = np.random.default_rng(seed)
    count, shape = len(counts), counts.shape[1:]
    flat = counts.reshape(count, -1)
    chunk = max(1, _CHUNK_NUMBERS // (count + flat.shape[1]))
    for start in range(0, resamples, chunk):
        size = min(chunk, resamples - start)
        draws = generator.multinomial(count, np.full(count, 1 / count), size=size)
        yield (draws.astype(np.float64) @ flat).reshape(size, *shape)


def percentile_interval(values: NDArray[np.float64], *, level: float) -> tuple[float, float]:
    """Return the bounds of the middle ``level`` share of ``values``."""
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _two_sided(differences: NDArray[np.float64]) -> float:
    """Return the two-sided bootstrap p value, always above 0 (Davison and Hinkley 1997)."""
    below, above = int((differences <= 0).sum()), int((differences >= 0).sum())
    return min(1.0, 2 * (1 + min(below, above)) / (1 + len(differences)))


def mcnemar(first: Predictions, second: Predictions) -> float:
    """Exact two-sided test whether two runs are correct equally often (McNemar 1947).

    It assumes independent utterances, which does not hold within a conversation; use it together
    with ``paired_bootstrap``. InputError if the runs do not cover the same utterances.
    """
    one, other = aligned([first, second])
    one_right, other_right = one.predicted == one.gold, other.predicted == other.gold
    only_one = int((one_right & ~other_right).sum())
    only_other = int((other_right & ~one_right).sum())
    if only_one + only_other == 0:
        return 1.0
    return float(stats.binomtest(only_one, only_one + only_other, 0.5).pvalue)


def seed_test(first: Sequence[float], second: Sequence[float]) -> SeedTest:
    """Test a difference over seeds: paired t and Wilcoxon, or Welch's t for unequal numbers.

    Values at the same position must come from the same seed. InputError for no values or NaN.
    """
    one, other = finite_values(first), finite_values(second)
    paired = len(one) == len(other)
    return SeedTest(
        difference=float(one.mean() - other.mean()),
        paired=paired,
        t_p_value=_paired_t(one - other) if paired else _welch(one, other),
        wilcoxon_p_value=_wilcoxon(one - other) if paired else None,
    )


def _paired_t(differences: NDArray[np.float64]) -> float | None:
    """P value of the t-test; None for one seed, or for a difference without any spread."""
    if len(differences) < 2:
        return None
    if np.ptp(differences) < _NO_SPREAD:
        return 1.0 if abs(differences[0]) < _NO_SPREAD else None
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _welch(first: NDArray[np.float64], second: NDArray[np.float64]) -> float | None:
    """P value of Welch's t-test; None if a side has one seed, or neither has any spread."""
    if min(len(first), len(second)) < 2 or max(np.ptp(first), np.ptp(second)) < _NO_SPREAD:
        return None
    return float(stats.ttest_ind(first, second, equal_var=False).pvalue)


def _wilcoxon(differences: NDArray[np.float64]) -> float | None:
    """P value of the signed-rank test; None for one seed."""
    if len(differences) < 2:
        return None
    if (np.abs(differences) < _NO_SPREAD).all():
        return 1.0
    return float(stats.wilcoxon(differences).pvalue)


def summarise(values: Sequence[float]) -> Summary:
    """Mean and standard deviation (n - 1) over seeds; the deviation of one value is 0."""
    numbers = finite_values(values)
    std = numbers.std(ddof=1) if len(numbers) > 1 else 0.0
    return Summary(float(numbers.mean()), float(std))
