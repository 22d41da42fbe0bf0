from __future__ import annotations

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, balanced_accuracy_score, confusion_matrix, f1_score

from mmerc.errors import InputError
from mmerc.evaluation.metrics import (
    _accuracy_from_confusion,
    _macro_f1_from_confusion,
    _unweighted_recall_from_confusion,
    confusion,
    score,
    weighted_f1_from_confusion,
)
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import UNKNOWN_LABEL, LabelSet

NAMES = ("calm", "glad", "cross", "sad")


def predictions_of(gold, probabilities) -> Predictions:
    count = len(gold)
    return Predictions(
        labels=LabelSet("moods", NAMES[: np.shape(probabilities)[1]]),
        conversations=("c",) * count,
        utterances=tuple(str(i) for i in range(count)),
        gold=np.array(gold, np.int64),
        probabilities=np.array(probabilities, np.float32),
        weights={},
        similarity=np.full(count, np.nan, np.float32),
        context_weight=np.full(count, np.nan, np.float32),
    )


def random_predictions(seed: int, *, count: int = 60) -> Predictions:
    generator = np.random.default_rng(seed)
    gold = generator.choice([UNKNOWN_LABEL, 0, 1, 2], count, p=[0.2, 0.5, 0.2, 0.1])
    return predictions_of(gold, generator.dirichlet(np.ones(4), count))


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_sklearn(seed: int) -> None:
    predictions = random_predictions(seed)
    scores = score(predictions)
    known = predictions.gold >= 0
    gold, predicted = predictions.gold[known], predictions.predicted[known]
    occur = sorted(set(gold))
    f1 = f1_score(gold, predicted, labels=occur, average=None)
    assert scores.accuracy == pytest.approx(100 * accuracy_score(gold, predicted))
    weighted = f1_score(gold, predicted, average="weighted", zero_division=0)
    assert scores.weighted_f1 == pytest.approx(100 * weighted)
    assert scores.macro_f1 == pytest.approx(100 * np.mean(f1))
    assert list(scores.per_class_f1) == [NAMES[label] for label in occur]
    assert list(scores.per_class_f1.values()) == pytest.approx(100 * f1)
    assert scores.utterances == known.sum() < len(predictions)
    expected = confusion_matrix(gold, predicted, labels=range(4))
    np.testing.assert_array_equal(confusion(predictions), expected)


def slow_calibration_error(predictions: Predictions) -> float:
    known = predictions.with_gold()
    total = 0.0
    for low in range(15):
        inside = [
            (float(row.max()), int(row.argmax()) == label)
            for row, label in zip(known.probabilities, known.gold, strict=True)
            if low / 15 < float(row.max()) <= (low + 1) / 15
        ]
        if inside:
            confidence = sum(top for top, _ in inside) / len(inside)
            accuracy = sum(hit for _, hit in inside) / len(inside)
            total += len(inside) / len(known) * abs(accuracy - confidence)
    return 100 * total


@pytest.mark.parametrize("seed", range(5))
def test_calibration_and_likelihood_match_loops(seed: int) -> None:
    predictions = random_predictions(seed)
    scores = score(predictions)
    assert scores.calibration_error == pytest.approx(slow_calibration_error(predictions))
    known = predictions.with_gold()
    rows = zip(known.probabilities, known.gold, strict=True)
    losses = [-math.log(float(row[label])) for row, label in rows]
    assert scores.negative_log_likelihood == pytest.approx(sum(losses) / len(losses), rel=1e-5)


def test_calibration_of_known_cases() -> None:
    sure = [[1, 0]] * 4
    assert score(predictions_of([0, 0, 0, 0], sure)).calibration_error == 0
    assert score(predictions_of([0, 0, 1, 1], sure)).calibration_error == pytest.approx(50)
    hedged = score(predictions_of([0, 0, 1, 0], [[0.75, 0.25]] * 4))
    assert hedged.calibration_error == pytest.approx(0)


def test_certain_mistake_has_finite_loss_without_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = score(predictions_of([1, 1], [[1, 0], [0.501, 0.497]]))
    assert scores.accuracy == 0
    assert math.isfinite(scores.negative_log_likelihood)


def test_single_gold_class_is_scored() -> None:
    scores = score(predictions_of([1, 1, 1], [[0, 1, 0], [0, 1, 0], [1, 0, 0]]))
    assert scores.per_class_f1 == {"glad": pytest.approx(80)}
    assert scores.macro_f1 == scores.weighted_f1 == pytest.approx(80)


def test_json_is_rounded_and_plain() -> None:
    value = score(random_predictions(0)).to_json()
    assert list(value) == [
        "accuracy", "weighted_f1", "macro_f1", "per_class_f1", "calibration_error", "utterances",
    ]  # fmt: skip
    assert json.loads(json.dumps(value, allow_nan=False)) == value
    assert value["accuracy"] == round(value["accuracy"], 4)


@pytest.mark.parametrize("gold", [[], [UNKNOWN_LABEL] * 3])
def test_unlabelled_data_is_refused(gold) -> None:
    with pytest.raises(InputError, match="no utterance has a gold label"):
        score(predictions_of(gold, np.full((len(gold), 2), 0.5)))


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=30),
        min_size=1,
        max_size=4,
    )
)
def test_stacked_confusions_match_sklearn(groups) -> None:
    matrices = []
    for pairs in groups:
        gold, predicted = zip(*pairs, strict=True)
        matrices.append(confusion_matrix(gold, predicted, labels=range(4)))
    stacked = np.stack(matrices)[None]
    for i, pairs in enumerate(groups):
        gold, predicted = zip(*pairs, strict=True)
        weighted = f1_score(gold, predicted, average="weighted", zero_division=0)
        occur = sorted(set(gold))
        macro = f1_score(gold, predicted, labels=occur, average="macro", zero_division=0)
        hits = accuracy_score(gold, predicted)
        assert weighted_f1_from_confusion(stacked)[0, i] == pytest.approx(100 * weighted)
        assert _macro_f1_from_confusion(stacked)[0, i] == pytest.approx(100 * macro)
        assert _accuracy_from_confusion(stacked)[0, i] == pytest.approx(100 * hits)
        with warnings.catch_warnings():  # of labels that are predicted but never gold
            warnings.simplefilter("ignore", UserWarning)
            recall = balanced_accuracy_score(gold, predicted)
        assert _unweighted_recall_from_confusion(stacked)[0, i] == pytest.approx(100 * recall)
