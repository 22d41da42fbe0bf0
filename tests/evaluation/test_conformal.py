"""Prediction sets, compared with slow implementations, and their coverage on simulated data."""

import math

import numpy as np
import pytest

from mmerc.evaluation.conformal import (
    SET_METHODS,
    choose_method,
    conformal_threshold,
    gold_scores,
    label_sets,
    nonconformity,
    smallest_count,
    thin_scores,
)


def simulated(*, seed, count, classes=5, skew=0.0):
    """Labels drawn from probabilities; the model reports overconfident ones."""
    numbers = np.random.default_rng(seed)
    logits = numbers.normal(0, 1.5, (count, classes)) - skew * np.arange(classes)
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    gold = (true.cumsum(1) < numbers.random((count, 1))).sum(1).clip(max=classes - 1)
    sharp = np.exp(2 * logits)
    return sharp / sharp.sum(1, keepdims=True), gold


def slow_threshold(scores, level):
    """The smallest score that is at least enough of the scores, counting a new one at infinity."""
    everything = [*sorted(scores), math.inf]
    for score in everything:
        if sum(other <= score for other in everything) >= level * len(everything) - 1e-9:
            return score
    raise AssertionError


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("count", [1, 4, 9, 10, 19, 57])
def test_thresholds_equal_their_definition(count, level):
    scores = np.random.default_rng(count).random(count)
    threshold = conformal_threshold(sorted(scores), count, level)
    assert threshold == slow_threshold(scores, level)
    assert math.isinf(threshold) == (count < smallest_count(level))


def test_scores_equal_their_definitions():
    probabilities, gold = simulated(seed=1, count=20)
    aps, lac = nonconformity(probabilities, "aps"), nonconformity(probabilities, "lac")
    for row, values in enumerate(probabilities):
        for label, own in enumerate(values):
            assert aps[row, label] == pytest.approx(sum(p for p in values if p > own))
            assert lac[row, label] == (0 if own == max(values) else 1 - own)
    assert gold_scores(probabilities, gold, "lac")[3] == lac[3, gold[3]]


def test_thinned_grid_never_gives_a_smaller_threshold():
    scores = np.sort(np.random.default_rng(0).random(1000))
    grid = thin_scores(scores, points=200)
    assert len(grid) == 200 and grid[-1] == scores[-1]
    for level in np.arange(0.05, 1, 0.05):
        full = conformal_threshold(scores.tolist(), 1000, level)
        thinned = conformal_threshold(grid, 1000, level)
        assert full <= thinned
        assert (scores <= thinned).mean() - (scores <= full).mean() <= 0.005 + 1e-9
    assert thin_scores(scores[::-1][:150], points=200) == tuple(np.sort(scores[::-1][:150]))


@pytest.mark.parametrize("method", SET_METHODS)
@pytest.mark.parametrize(("count", "level"), [(30, 0.9), (300, 0.95)])
def test_exchangeable_data_is_covered(method, count, level):
    covered = []
    for seed in range(300):
        probabilities, gold = simulated(seed=seed, count=count + 100)
        scores = np.sort(gold_scores(probabilities[:count], gold[:count], method))
        threshold = conformal_threshold(scores.tolist(), count, level)
        sets = label_sets(probabilities[count:], method, threshold)
        covered.append(sets[np.arange(100), gold[count:]].mean())
    error = 3 * np.std(covered) / math.sqrt(len(covered))
    assert level - error <= np.mean(covered) <= level + 1 / (count + 1) + error


def test_every_class_is_covered_by_its_own_threshold():
    kept, total = np.zeros(3), np.zeros(3)
    unconditional = np.zeros(3)
    for seed in range(150):
        probabilities, gold = simulated(seed=seed, count=600, classes=3, skew=1.5)
        scores = gold_scores(probabilities[:500], gold[:500], "lac")
        own = [np.sort(scores[gold[:500] == k]).tolist() for k in range(3)]
        thresholds = np.array([conformal_threshold(grid, len(grid), 0.9) for grid in own])
        rows = np.arange(100)
        sets = label_sets(probabilities[500:], "lac", thresholds)[rows, gold[500:]]
        one = conformal_threshold(np.sort(scores).tolist(), 500, 0.9)
        plain = label_sets(probabilities[500:], "lac", one)[rows, gold[500:]]
        kept += np.bincount(gold[500:], weights=sets, minlength=3)
        unconditional += np.bincount(gold[500:], weights=plain, minlength=3)
        total += np.bincount(gold[500:], minlength=3)
    assert (kept / total >= 0.89).all()
    assert unconditional[2] / total[2] < 0.8  # the rare class has lower coverage


def test_method_with_smaller_sets_is_chosen():
    probabilities, gold = simulated(seed=0, count=400)
    groups = np.arange(400) // 8
    sizes = {}
    for method in SET_METHODS:
        scores = np.sort(gold_scores(probabilities, gold, method)).tolist()
        sizes[method] = label_sets(
            probabilities, method, conformal_threshold(scores, 400, 0.9)
        ).sum()
    assert choose_method(probabilities, gold, groups) == min(sizes, key=sizes.get)


def test_most_probable_label_is_always_in_the_set():
    sets = label_sets(np.array([[0.5, 0.3, 0.2]]), "lac", 0.1)
    assert sets.tolist() == [[True, False, False]]
