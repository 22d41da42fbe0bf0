from __future__ import annotations

from dataclasses import replace
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from slow_metrics import measured

from mmerc.errors import InputError, UsageError
from mmerc.evaluation import significance
from mmerc.evaluation.metrics import METRICS, score
from mmerc.evaluation.multiple_tests import holm
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import (
    bootstrap_interval,
    mcnemar,
    paired_bootstrap,
    seed_test,
    summarise,
)
from mmerc.labels import LabelSet

LABELS = LabelSet("moods", ("calm", "glad", "cross"))


def predictions_of(gold, predicted, conversations=None) -> Predictions:
    count = len(gold)
    return Predictions(
        labels=LABELS,
        conversations=tuple(conversations or ("c",) * count),
        utterances=tuple(str(i) for i in range(count)),
        gold=np.array(gold, np.int64),
        probabilities=np.eye(3, dtype=np.float32)[np.array(predicted, dtype=np.int64)],
        weights={},
        similarity=np.full(count, np.nan, np.float32),
        context_weight=np.full(count, np.nan, np.float32),
    )


def simulated(*, seed: int, hit_rate: float, truth: int = 0, conversations: int = 12):
    """Conversations of 1 to 8 utterances; ``truth`` is their seed, ``seed`` that of predictions."""
    world, answers = np.random.default_rng(truth), np.random.default_rng(seed)
    sizes = world.integers(1, 9, conversations)
    names = [f"c{i}" for i, size in enumerate(sizes) for _ in range(size)]
    gold = world.integers(0, 3, len(names))
    wrong = (gold + answers.integers(1, 3, len(names))) % 3
    predicted = np.where(answers.random(len(names)) < hit_rate, gold, wrong)
    return predictions_of(gold, predicted, names)


def shuffled(predictions: Predictions, *, seed: int = 3) -> Predictions:
    return predictions.take(np.random.default_rng(seed).permutation(len(predictions)))


def slow_bootstrap(runs, *, metric: str, resamples: int, seed: int) -> list[float]:
    names = sorted(set(runs[0].conversations))
    generator = np.random.default_rng(seed)
    means = []
    for _ in range(resamples):
        counts = generator.multinomial(len(names), np.full(len(names), 1 / len(names)))
        values = []
        for run in runs:
            rows = [
                row
                for name, count in zip(names, counts, strict=True)
                for _ in range(count)
                for row, conversation in enumerate(run.conversations)
                if conversation == name
            ]
            drawn = predictions_of(run.gold[rows], run.predicted[rows])
            values.append(measured(drawn, metric))
        means.append(float(np.mean(values)))
    return means


@pytest.mark.parametrize("metric", METRICS)
def test_bootstrap_matches_a_loop_over_utterances(metric, monkeypatch) -> None:
    runs = [shuffled(simulated(seed=s, hit_rate=0.6), seed=s) for s in (1, 2)]
    slow = slow_bootstrap(runs, metric=metric, resamples=60, seed=5)
    settings = {"metric": metric, "resamples": 60, "seed": 5, "level": 0.9}
    expected = pytest.approx(tuple(np.quantile(slow, [0.05, 0.95])))
    assert bootstrap_interval(runs, **settings) == expected
    monkeypatch.setattr(significance, "_CHUNK_NUMBERS", 200)
    assert bootstrap_interval(runs, **settings) == expected


def test_paired_bootstrap_matches_loops_on_the_same_draws() -> None:
    first = [simulated(seed=s, hit_rate=0.7) for s in (1, 2, 3)]
    second = [shuffled(simulated(seed=s, hit_rate=0.5)) for s in (4, 5)]
    settings = {"metric": "weighted_f1", "resamples": 60, "seed": 5}
    differences = np.subtract(slow_bootstrap(first, **settings), slow_bootstrap(second, **settings))
    actual = paired_bootstrap(first, second, **settings)
    assert (actual.low, actual.high) == pytest.approx(
        tuple(np.quantile(differences, [0.025, 0.975]))
    )
    means = [np.mean([score(run).weighted_f1 for run in side]) for side in (first, second)]
    assert actual.difference == pytest.approx(means[0] - means[1])
    fewer = min((differences <= 0).sum(), (differences >= 0).sum())
    assert actual.p_value == pytest.approx(min(1, 2 * (1 + fewer) / 61))


def test_interval_has_its_nominal_coverage() -> None:
    hit_rate, covered, trials = 0.7, 0, 150
    for trial in range(trials):
        run = simulated(seed=1000 + trial, hit_rate=hit_rate, truth=trial, conversations=40)
        low, high = bootstrap_interval(
            [run], metric="accuracy", level=0.9, resamples=300, seed=trial
        )
        covered += low <= 100 * hit_rate <= high
    assert 0.82 <= covered / trials <= 0.97


def test_bootstrap_draws_whole_conversations() -> None:
    names = [f"c{i}" for i in range(20) for _ in range(10)]
    gold = [0] * 200
    clustered = [int(name in {f"c{i}" for i in range(10)}) for name in names]
    spread = [i % 2 for i in range(200)]
    low, high = bootstrap_interval([predictions_of(gold, clustered, names)], metric="accuracy")
    assert high - low > 30
    low, high = bootstrap_interval([predictions_of(gold, spread, names)], metric="accuracy")
    assert low == high == 50


def test_paired_bootstrap_detects_only_real_differences() -> None:
    good, bad = (
        [simulated(seed=s, hit_rate=rate, conversations=60) for s in (1, 2)] for rate in (0.8, 0.5)
    )
    actual = paired_bootstrap(good, bad, resamples=500)
    assert actual.low > 0
    assert actual.p_value == pytest.approx(2 / 501)
    mirrored = paired_bootstrap(bad, good, resamples=500)
    assert mirrored.difference == pytest.approx(-actual.difference)
    assert (mirrored.low, mirrored.high) == pytest.approx((-actual.high, -actual.low))
    same = paired_bootstrap(good, good, resamples=100)
    assert (same.difference, same.low, same.high, same.p_value) == (0, 0, 0, 1)


def test_mismatched_runs_are_refused() -> None:
    run = simulated(seed=1, hit_rate=0.6)
    gold = run.gold.copy()
    gold[0] = (gold[0] + 1) % 3
    with pytest.raises(InputError, match=r"gold labels are not those of run 1 \(1 differ\)"):
        paired_bootstrap([run], [replace(run, gold=gold)])
    with pytest.raises(InputError, match=r"utterances are not those of run 1 \(2 differ\)"):
        mcnemar(run, run.take(np.arange(2, len(run))))
    names = LabelSet("other", ("glad", "calm", "cross"))
    with pytest.raises(InputError, match="label set is not that of run 1"):
        bootstrap_interval([run, replace(run, labels=names)])


def test_invalid_bootstrap_arguments_are_refused() -> None:
    run = simulated(seed=1, hit_rate=0.6)
    with pytest.raises(InputError, match="one conversation"):
        bootstrap_interval([predictions_of([0, 1], [0, 1])])
    with pytest.raises(InputError, match="no run to compare"):
        bootstrap_interval([])
    with pytest.raises(InputError, match="one side has no run"):
        paired_bootstrap([run], [])
    with pytest.raises(UsageError, match="No metric is called 'f2'"):
        bootstrap_interval([run], metric="f2")
    with pytest.raises(UsageError, match="level 95"):
        bootstrap_interval([run], level=95)


def test_unlabelled_utterances_are_excluded() -> None:
    run = simulated(seed=1, hit_rate=0.6)
    gold = run.gold.copy()
    gold[::4] = -100
    partly = replace(run, gold=gold)
    assert bootstrap_interval([partly]) == bootstrap_interval([partly.with_gold()])


@pytest.mark.parametrize(
    ("only_first", "only_second", "expected"),
    [(0, 0, 1.0), (5, 5, 1.0), (1, 0, 1.0), (6, 16, 0.052479), (2, 10, 0.038574), (0, 5, 0.0625)],
)
def test_mcnemar_gives_the_exact_binomial_p_value(only_first, only_second, expected) -> None:
    gold = [0] * (only_first + only_second + 4)
    first = [0] * only_first + [1] * only_second + [0, 0, 2, 2]
    second = [1] * only_first + [0] * only_second + [0, 0, 2, 1]
    one, other = predictions_of(gold, first), predictions_of(gold, second)
    count = only_first + only_second
    tail = sum(comb(count, i) for i in range(min(only_first, only_second) + 1)) / 2**count
    assert mcnemar(one, other) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar(one, shuffled(other)) == pytest.approx(expected, abs=1e-6)


def test_paired_seeds_are_tested_by_their_differences() -> None:
    first, second = [63.1, 62.0, 64.2, 63.3, 62.9], [61.0, 61.7, 62.2, 61.4, 62.0]
    actual = seed_test(first, second)
    difference = np.subtract(first, second)
    t = difference.mean() / (difference.std(ddof=1) / np.sqrt(5))
    assert actual.paired
    assert actual.difference == pytest.approx(difference.mean())
    assert actual.t_p_value == pytest.approx(2 * stats.t.sf(abs(t), 4))
    assert actual.wilcoxon_p_value == pytest.approx(2 / 2**5)


def test_unequal_numbers_of_seeds_are_tested_by_welch() -> None:
    first, second = np.array([63.1, 62.0, 64.2]), np.array([61.0, 61.7, 62.2, 61.4, 62.0])
    actual = seed_test(first, second)
    one, other = first.var(ddof=1) / 3, second.var(ddof=1) / 5
    t = (first.mean() - second.mean()) / np.sqrt(one + other)
    freedom = (one + other) ** 2 / (one**2 / 2 + other**2 / 4)
    assert not actual.paired
    assert actual.t_p_value == pytest.approx(2 * stats.t.sf(abs(t), freedom))
    assert actual.wilcoxon_p_value is None


def test_untestable_seeds_give_a_reason() -> None:
    assert seed_test([60.0], [61.0]).t_p_value is None
    assert seed_test([60.0], [61.0]).wilcoxon_p_value is None
    assert seed_test([60.0], [61.0, 62.0]).t_p_value is None
    assert seed_test([60.0, 60.0], [61.0, 61.0, 61.0]).t_p_value is None
    assert seed_test([60.1, 60.2], [61.1, 61.2]).t_p_value is None
    same = seed_test([60.1, 60.2], [60.1, 60.2])
    assert (same.t_p_value, same.wilcoxon_p_value) == (1.0, 1.0)
    with pytest.raises(InputError, match="finite number"):
        seed_test([float("nan")], [1.0])


def test_holm_adjusts_known_numbers() -> None:
    # The example in Wikipedia's article on the Holm-Bonferroni method.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []
    with pytest.raises(InputError, match="between 0 and 1"):
        holm([1.5])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_rejects_what_the_step_down_procedure_rejects(p_values) -> None:
    adjusted = holm(p_values)
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    worst = 0.0
    for rank, i in enumerate(order):
        worst = min(1.0, max(worst, p_values[i] * (len(p_values) - rank)))
        assert adjusted[i] == pytest.approx(worst)
        assert p_values[i] <= adjusted[i] <= 1


def test_summary_is_mean_and_sample_deviation() -> None:
    assert summarise([2, 4, 4, 4, 5, 5, 7, 9]) == pytest.approx((5, (32 / 7) ** 0.5))
    assert summarise([3.5]) == (3.5, 0.0)
    with pytest.raises(InputError, match="one finite number or more"):
        summarise([])
