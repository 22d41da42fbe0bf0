from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from math import comb

import numpy as np
import pytest
from scipy import stats
from slow_metrics import measured

from mmerc.errors import InputError
from mmerc.evaluation.comparison import compare_runs, values
from mmerc.evaluation.metrics import METRICS, score
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import paired_bootstrap
from mmerc.labels import LabelSet

LABELS = LabelSet("moods", ("calm", "glad", "cross"))
RATES = {"reference": 0.55, "alike": 0.57, "better": 0.75, "worse": 0.4}


def seed_of(rate: float, seed: int, *, truth: int = 0) -> Predictions:
    """One seed's predictions on twelve conversations with about the given accuracy."""
    world, answers = np.random.default_rng(truth), np.random.default_rng(seed)
    names = [f"c{i}" for i, size in enumerate(world.integers(3, 9, 12)) for _ in range(size)]
    gold = world.integers(0, 3, len(names))
    wrong = (gold + answers.integers(1, 3, len(names))) % 3
    predicted = np.where(answers.random(len(names)) < rate, gold, wrong)
    return Predictions(
        labels=LABELS,
        conversations=tuple(names),
        utterances=tuple(str(i) for i in range(len(names))),
        gold=gold.astype(np.int64),
        probabilities=np.eye(3, dtype=np.float32)[predicted],
        weights={},
        similarity=np.full(len(names), np.nan, np.float32),
        context_weight=np.full(len(names), np.nan, np.float32),
    )


def run_of(name: str, seeds: int = 3) -> list[Predictions]:
    start = 10 * list(RATES).index(name)
    return [seed_of(RATES[name], start + seed) for seed in range(seeds)]


@pytest.fixture
def runs() -> dict[str, list[Predictions]]:
    return {name: run_of(name) for name in RATES}


def slow_mcnemar(one: Predictions, other: Predictions) -> float:
    only_one = only_other = 0
    for row in range(len(one)):
        first, second = (p.predicted[row] == p.gold[row] for p in (one, other))
        only_one += int(first and not second)
        only_other += int(second and not first)
    total, least = only_one + only_other, min(only_one, only_other)
    tail = sum(comb(total, k) for k in range(least + 1)) / 2**total
    return min(1.0, 2 * tail)


@pytest.mark.parametrize("metric", METRICS)
def test_every_run_is_compared_with_the_first(runs, metric) -> None:
    actual = compare_runs(runs, metric=metric)
    assert [item.name for item in actual] == ["alike", "better", "worse"]
    means = {
        name: np.mean([measured(one, metric) for one in predictions])
        for name, predictions in runs.items()
    }
    for item in actual:
        expected = means[item.name] - means["reference"]
        assert item.bootstrap.metric == metric
        assert item.bootstrap.difference == pytest.approx(expected, abs=1e-9)
        assert item.seeds.difference == pytest.approx(expected, abs=1e-9)
        assert item.bootstrap.low <= item.bootstrap.difference <= item.bootstrap.high
        assert item.bootstrap == paired_bootstrap(runs[item.name], runs["reference"], metric=metric)
        left, right = values(runs[item.name], metric), values(runs["reference"], metric)
        assert item.seeds.paired
        assert item.seeds.t_p_value == pytest.approx(stats.ttest_rel(left, right).pvalue)
        assert item.mcnemar_p_values == pytest.approx(
            [slow_mcnemar(*pair) for pair in zip(runs[item.name], runs["reference"], strict=True)]
        )
    by_name = {item.name: item for item in actual}
    assert by_name["better"].bootstrap.difference > 0 > by_name["worse"].bootstrap.difference


def test_there_is_one_value_per_seed(runs) -> None:
    assert values(runs["alike"], "accuracy") == [score(one).accuracy for one in runs["alike"]]


def test_holm_corrects_over_all_runs(runs) -> None:
    actual = compare_runs(runs)
    ordered = sorted(actual, key=lambda item: item.bootstrap.p_value)
    expected, floor = [], 0.0
    for place, item in enumerate(ordered):
        floor = max(floor, min(1.0, item.bootstrap.p_value * (len(ordered) - place)))
        expected.append(floor)
    assert [item.adjusted for item in ordered] == pytest.approx(expected)
    assert all(item.adjusted >= item.bootstrap.p_value for item in actual)
    assert all(one.adjusted <= other.adjusted for one, other in pairwise(ordered))
    (alone,) = compare_runs({name: runs[name] for name in ("reference", "better")})
    assert alone.adjusted == alone.bootstrap.p_value
    corrected = next(item for item in actual if item.name == "better")
    assert corrected.bootstrap.p_value == alone.bootstrap.p_value
    assert corrected.adjusted > alone.adjusted


def test_run_compared_with_itself_has_no_difference(runs) -> None:
    (item,) = compare_runs({"one": runs["alike"], "two": runs["alike"]})
    assert (item.bootstrap.difference, item.seeds.difference) == (0, 0)
    assert (item.bootstrap.low, item.bootstrap.high) == (0, 0)
    assert (item.bootstrap.p_value, item.adjusted, item.seeds.t_p_value) == (1, 1, 1)
    assert item.mcnemar_p_values == (1, 1, 1)


def test_sign_flips_with_the_reference(runs) -> None:
    (one,) = compare_runs({name: runs[name] for name in ("reference", "better")})
    (other,) = compare_runs({name: runs[name] for name in ("better", "reference")})
    assert one.bootstrap.difference == pytest.approx(-other.bootstrap.difference)
    assert one.bootstrap.low == pytest.approx(-other.bootstrap.high)
    assert one.mcnemar_p_values == pytest.approx(other.mcnemar_p_values)


def test_order_of_the_rows_does_not_matter(runs) -> None:
    mixed = dict(runs)
    order = np.random.default_rng(0).permutation(len(runs["better"][0]))
    mixed["better"] = [one.take(order) for one in runs["better"]]
    assert compare_runs(mixed) == compare_runs(runs)


@pytest.mark.parametrize("seeds", [1, 2, 5])
def test_runs_with_unequal_numbers_of_seeds(runs, seeds) -> None:
    (item,) = compare_runs({"reference": runs["reference"], "better": run_of("better", seeds)})
    assert not item.seeds.paired
    assert item.seeds.wilcoxon_p_value is None
    assert (item.seeds.t_p_value is None) == (seeds == 1)
    assert len(item.mcnemar_p_values) == min(seeds, 3)


def test_single_seeds_have_no_test_over_seeds() -> None:
    (item,) = compare_runs({name: run_of(name, 1) for name in ("reference", "worse")})
    assert item.seeds.t_p_value is None
    assert item.seeds.wilcoxon_p_value is None
    assert len(item.mcnemar_p_values) == 1


def test_single_run_has_no_comparison(runs) -> None:
    assert compare_runs({"reference": runs["reference"]}) == []


def fewer(run: list[Predictions]) -> list[Predictions]:
    return [one.take(np.arange(len(one) - 1)) for one in run]


def renamed(run: list[Predictions]) -> list[Predictions]:
    return [replace(one, utterances=(*one.utterances[:-1], "other")) for one in run]


def regraded(run: list[Predictions]) -> list[Predictions]:
    return [replace(one, gold=(one.gold + 1) % 3) for one in run]


def one_seed_of_another_split(run: list[Predictions]) -> list[Predictions]:
    return [*run[:-1], seed_of(0.5, 0, truth=1)]


@pytest.mark.parametrize("change", [fewer, renamed, regraded, one_seed_of_another_split])
@pytest.mark.parametrize("place", ["reference", "worse"])
def test_runs_over_different_utterances_are_refused(runs, change, place) -> None:
    with pytest.raises(InputError) as caught:
        compare_runs(runs | {place: change(runs[place])})
    assert "\n" not in str(caught.value)


def test_run_without_a_seed_is_refused(runs) -> None:
    with pytest.raises(InputError, match="no run"):
        compare_runs(runs | {"worse": []})
