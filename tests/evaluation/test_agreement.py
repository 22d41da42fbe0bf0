"""Coefficients of agreement against published worked examples and scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from mmerc.errors import InputError
from mmerc.evaluation.agreement import (
    cohen_kappa,
    coincidences,
    confusion_of_pairs,
    count_ratings,
    fleiss_kappa,
    krippendorff_alpha,
    observed_agreement,
    one_against_rest,
    specific_agreement,
)
from mmerc.evaluation.alternative_annotator import alternative_annotator_test
from mmerc.evaluation.rater_agreement import Ratings, measure_agreement

# Fleiss 1971, Table 1: 30 patients, six psychiatrists each, five diagnoses.
FLEISS = np.array([
    [0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0],
    [2, 0, 4, 0, 0], [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6],
    [1, 0, 0, 5, 0], [1, 1, 0, 4, 0], [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1],
    [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0], [0, 2, 0, 4, 0], [1, 0, 2, 0, 3],
    [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0], [1, 0, 0, 4, 1],
    [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6],
], float)  # fmt: skip
N = 0  # missing, below
# Krippendorff 2011, section C: four observers, twelve units, values missing.
OBSERVERS = np.array([
    [1, 2, 3, 3, 2, 1, 4, 1, 2, N, N, N],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, N, 3],
    [N, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, N],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, N],
])  # fmt: skip


def alpha(ratings, count):
    return float(krippendorff_alpha(coincidences(count_ratings(ratings, count)).sum(axis=0)))


def test_krippendorffs_binary_example():
    """2011, section A: two observers, ten units, alpha 0.095."""
    meg = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0]
    owen = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]
    assert alpha(np.array([meg, owen]), 2) == pytest.approx(0.095, abs=5e-4)


def test_krippendorffs_nominal_example():
    """2011, section B: two observers, twelve units, five values, alpha 0.692."""
    ben, gerry = "aabbdcccedda", "babbbccceddd"
    pairs = np.array([["abcde".index(value) for value in row] for row in (ben, gerry)])
    assert alpha(pairs, 5) == pytest.approx(0.692, abs=5e-4)


def test_krippendorffs_example_with_missing_values():
    """2011, section C: alpha 0.743 for nominal data, 40 values that can be paired."""
    together = coincidences(count_ratings(OBSERVERS - 1, 5)).sum(axis=0)
    assert together.sum() == pytest.approx(40)
    assert together.diagonal() == pytest.approx([7, 10, 8, 4, 3])
    assert float(krippendorff_alpha(together)) == pytest.approx(0.743, abs=5e-4)


def test_fleiss_table():
    """1971: mean agreement 0.5556, kappa 0.430."""
    together = coincidences(FLEISS).sum(axis=0)
    assert float(observed_agreement(together)) == pytest.approx(55.56, abs=0.005)
    assert float(fleiss_kappa(together)) == pytest.approx(0.430, abs=5e-4)
    # Exact kappa of each category (the paper's manual calculation has 0.248 for the first).
    expected = (0.245, 0.245, 0.520, 0.471, 0.566)
    assert fleiss_kappa(one_against_rest(together)) == pytest.approx(expected, abs=6e-4)


def test_cohens_table():
    """1960, Table 1: proportions of three categories, kappa 0.492."""
    matrix = np.array([[0.44, 0.07, 0.09], [0.05, 0.20, 0.05], [0.01, 0.03, 0.06]]) * 200
    assert float(cohen_kappa(matrix)) == pytest.approx(0.492, abs=1e-3)
    assert float(observed_agreement(matrix)) == pytest.approx(70)


@pytest.mark.parametrize("weighting", [None, "linear", "quadratic"])
def test_kappa_equals_scikit_learn(weighting):
    numbers = np.random.default_rng(0)
    one, other = numbers.integers(4, size=(2, 200))
    other = np.where(numbers.random(200) < 0.5, one, other)
    matrix = confusion_of_pairs(one, other, 4).sum(axis=0)
    expected = cohen_kappa_score(one, other, weights=weighting)
    assert float(cohen_kappa(matrix, weighting)) == pytest.approx(expected)


def test_specific_agreement_counts_both_raters_labels():
    matrix = np.array([[4.0, 1.0], [1.0, 2.0]])
    assert specific_agreement(matrix) == pytest.approx([80, 200 / 3])


def test_undefined_coefficients_are_nan():
    ratings = np.zeros((2, 5), dtype=np.int64)
    together = coincidences(count_ratings(ratings, 3)).sum(axis=0)
    assert float(observed_agreement(together)) == 100
    assert np.isnan(krippendorff_alpha(together)) and np.isnan(fleiss_kappa(together))
    assert np.isnan(cohen_kappa(np.diag([5.0, 0.0])))


def rated(raters=3, units=120, *, conversations=12, labels=3, agree=0.8, seed=0):
    numbers = np.random.default_rng(seed)
    truth = numbers.integers(labels, size=units)
    noise = numbers.integers(labels, size=(raters, units))
    values = np.where(numbers.random((raters, units)) < agree, truth, noise)
    return Ratings(
        labels=tuple("abcdefg"[:labels]),
        raters=tuple(f"r{i}" for i in range(raters)),
        conversations=tuple(f"c{i % conversations}" for i in range(units)),
        speakers=tuple(("Ann", "Bob")[i % 2] for i in range(units)),
        values=values,
    )


def test_report_of_three_raters():
    ratings = rated()
    report = measure_agreement(ratings, ordered=True, resamples=300)
    assert (report.utterances, report.complete, report.conversations) == (120, 120, 12)
    assert report.resampled == "conversations"
    assert report.alpha.low < report.alpha.value < report.alpha.high
    assert [(pair.first, pair.second) for pair in report.pairs] == [
        ("r0", "r1"), ("r0", "r2"), ("r1", "r2"),
    ]  # fmt: skip
    first = report.pairs[0]
    assert first.kappa.value == pytest.approx(cohen_kappa_score(*ratings.values[:2]))
    assert np.sum(first.confusion) == 120
    assert first.confusion[0][1] == ((ratings.values[0] == 0) & (ratings.values[1] == 1)).sum()
    assert {group.name: group.ratings for group in report.speakers} == {"Ann": 180, "Bob": 180}
    assert sum(group.ratings for group in report.classes) == 360


def test_one_conversation_is_resampled_by_utterance():
    report = measure_agreement(rated(conversations=1), resamples=200)
    assert report.resampled == "utterances"
    assert report.pairs[0].linear is None
    assert report.alpha.low < report.alpha.value < report.alpha.high


def test_interval_equals_a_slow_bootstrap():
    ratings = rated(raters=2, units=60, conversations=6)
    report = measure_agreement(ratings, resamples=4000)
    numbers, values = np.random.default_rng(5), []
    places = [np.flatnonzero(np.array(ratings.conversations) == f"c{i}") for i in range(6)]
    for _ in range(1500):
        drawn = np.concatenate([places[i] for i in numbers.integers(6, size=6)])
        values.append(alpha(ratings.values[:, drawn], 3))
    low, high = np.quantile(values, [0.025, 0.975])
    assert (report.alpha.low, report.alpha.high) == pytest.approx((low, high), abs=0.03)


def test_raters_without_common_utterances_are_refused():
    ratings = rated(raters=2)
    ratings.values[0, ::2] = -100
    ratings.values[1, 1::2] = -100
    with pytest.raises(InputError, match="r0 and r1 labelled no utterance in common"):
        measure_agreement(ratings)


def test_good_model_passes_and_guessing_model_fails():
    ratings = rated(raters=4, units=300)
    good = ratings.values[3]
    humans = ratings.values[:3]
    names = ("x", "y", "z")
    passed = alternative_annotator_test(humans, good, raters=names, count=3, margin=0.15)
    assert passed.passed and passed.winning_rate == 1
    assert [item.utterances for item in passed.comparisons] == [300] * 3
    guess = np.random.default_rng(9).integers(3, size=300)
    failed = alternative_annotator_test(humans, guess, raters=names, count=3, margin=0.15)
    assert not failed.passed and failed.winning_rate == 0
    assert failed.advantage < passed.advantage


def test_alternative_annotator_test_counts_as_in_the_paper():
    """A loop over utterances, as the paper defines the advantage probabilities."""
    ratings = rated(raters=4, units=80)
    ratings.values[1, ::7] = -100
    model, humans = ratings.values[3], ratings.values[:3]
    outcome = alternative_annotator_test(humans, model, raters=("x", "y", "z"), count=3, margin=0.1)
    for rater, item in enumerate(outcome.comparisons):
        wins = []
        for unit in range(80):
            others = [humans[k, unit] for k in range(3) if k != rater and humans[k, unit] >= 0]
            if others and humans[rater, unit] >= 0:
                agree = [
                    np.mean([label == other for other in others])
                    for label in (model[unit], humans[rater, unit])
                ]
                wins.append(agree[0] >= agree[1])
        assert (item.utterances, item.advantage) == (len(wins), pytest.approx(np.mean(wins)))


def test_too_few_utterances_for_the_test_are_refused():
    ratings = rated(raters=3, units=20)
    with pytest.raises(InputError, match="0 of 2 raters have 30 utterances in common"):
        alternative_annotator_test(
            ratings.values[:2], ratings.values[2], raters=("x", "y"), count=3, margin=0.1
        )


def test_utterance_weights_count_as_repetitions():
    numbers = np.random.default_rng(0)
    values = numbers.integers(0, 3, (2, 40))
    weights = numbers.integers(1, 4, 40)
    few = Ratings(
        labels=("a", "b", "c"), raters=("x", "y"), conversations=tuple("pqrs" * 10),
        speakers=("",) * 40, values=values, weights=weights / 7,
    )  # fmt: skip
    repeated = np.repeat(np.arange(40), weights)
    many = Ratings(
        labels=few.labels, raters=few.raters, values=values[:, repeated],
        conversations=tuple(few.conversations[i] for i in repeated),
        speakers=("",) * len(repeated),
    )  # fmt: skip
    one, other = measure_agreement(few), measure_agreement(many)
    assert one.percent == other.percent
    assert one.pairs[0].kappa.value == pytest.approx(other.pairs[0].kappa.value)
    assert (one.utterances, one.pairs[0].utterances, one.classes[0].ratings) == (
        40, 40, int((values == 0).sum()),
    )  # fmt: skip
