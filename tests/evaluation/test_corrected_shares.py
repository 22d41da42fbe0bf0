"""Shares corrected for misclassification: exactness, coverage, groups."""

import numpy as np
import pytest

from mmerc.errors import InputError
from mmerc.evaluation.corrected_shares import correct_shares, count_labels

LABELS = ("calm", "glad", "cross")
CONFUSION = np.array([[0.8, 0.1, 0.1], [0.4, 0.6, 0.0], [0.5, 0.1, 0.4]])  # rows: true label


def study(size=1500, *, seed=0, shares=(0.5, 0.2, 0.3)):
    """True and predicted labels, and calibrated probabilities of the true label."""
    numbers = np.random.default_rng(seed)
    true = numbers.choice(3, size=size, p=shares)
    predicted = np.array([numbers.choice(3, p=CONFUSION[label]) for label in true])
    joint = CONFUSION * np.array(shares)[:, None]
    return true, predicted, (joint / joint.sum(axis=0)).T[predicted]


def sampled(true, size, *, seed=0):
    gold = np.full_like(true, -100)
    chosen = np.random.default_rng(seed).choice(len(true), size=size, replace=False)
    gold[chosen] = true[chosen]
    return gold


def test_counts_are_by_predicted_and_true_label():
    predicted, gold = np.array([0, 1, 1, 2]), np.array([0, 2, -100, 2])
    assert count_labels(predicted, gold, 3).tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 1]]


def test_fully_labelled_study_keeps_its_shares():
    true, predicted, _ = study(200)
    (group,) = correct_shares(predicted, true, labels=LABELS)
    for k, share in enumerate(group.shares):
        exact = (true == k).mean()
        assert (share.low, share.share, share.high) == pytest.approx((exact, exact, exact))
        assert share.naive == pytest.approx((predicted == k).mean())


@pytest.mark.parametrize("known", [True, False])
def test_intervals_cover_the_truth_and_bias_is_removed(known):
    true, predicted, probabilities = study()
    exact = np.bincount(true) / len(true)
    covered, estimates = [], []
    for seed in range(150):
        (group,) = correct_shares(
            predicted, sampled(true, 100, seed=seed), labels=LABELS, draws=500, seed=seed,
            probabilities=probabilities if known else None,
        )  # fmt: skip
        covered += [s.low <= e <= s.high for s, e in zip(group.shares, exact, strict=True)]
        estimates.append([share.share for share in group.shares])
    naive = np.array([share.naive for share in group.shares])
    assert 0.91 <= np.mean(covered) <= 0.99
    assert np.abs(np.mean(estimates, axis=0) - exact).max() < 0.02
    assert np.abs(naive - exact).max() > 0.05


def test_sample_stratified_by_prediction_is_unbiased():
    covered = []
    for seed in range(30):
        true, predicted, _ = study(1000, seed=seed)
        gold = np.full_like(true, -100)
        for label in range(3):
            chosen = np.flatnonzero(predicted == label)[:60]
            gold[chosen] = true[chosen]
        (group,) = correct_shares(predicted, gold, labels=LABELS, draws=500)
        exact = np.bincount(true, minlength=3) / len(true)
        covered += [s.low <= e <= s.high for s, e in zip(group.shares, exact, strict=True)]
    assert np.mean(covered) >= 0.88


def test_groups_differ_and_unlabelled_group_has_wider_interval():
    first, second = (
        study(1000, seed=1, shares=(0.8, 0.1, 0.1)),
        study(1000, seed=2, shares=(0.1, 0.1, 0.8)),
    )
    third = study(300, seed=3)
    true, predicted = (np.concatenate([one[i] for one in (first, second, third)]) for i in (0, 1))
    gold = sampled(true, 400)
    gold[2000:] = -100
    names = ["a"] * 1000 + ["b"] * 1000 + ["c"] * 300
    a, b, c = correct_shares(predicted, gold, labels=LABELS, groups=names)
    assert [group.group for group in (a, b, c)] == ["a", "b", "c"]
    assert c.labelled == 0 and a.labelled + b.labelled == (gold >= 0).sum()
    for group, part in ((a, first), (b, second)):
        for k, share in enumerate(group.shares):
            assert share.low - 0.02 <= (part[0] == k).mean() <= share.high + 0.02
    width = [group.shares[0].high - group.shares[0].low for group in (a, c)]
    assert width[1] > width[0]


def test_same_seed_gives_the_same_shares():
    true, predicted, _ = study(300)
    gold = sampled(true, 50)
    one, other, another = (
        correct_shares(predicted, gold, labels=LABELS, seed=s) for s in (1, 1, 2)
    )
    assert one == other != another


def test_missing_labels_are_refused():
    true, predicted, _ = study(20)
    with pytest.raises(InputError, match="no utterance of the predictions has a label"):
        correct_shares(predicted, np.full_like(true, -100), labels=LABELS)
