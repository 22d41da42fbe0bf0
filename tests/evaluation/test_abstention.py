"""Selective prediction, compared with the obvious implementation."""

import numpy as np
import pytest

from mmerc.errors import InputError
from mmerc.evaluation.abstention import measure_abstention
from mmerc.evaluation.metrics import score
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import LabelSet

LABELS = LabelSet("three", ("a", "b", "c"))


def predictions(count, seed, *, unknown=0.1):
    generator = np.random.default_rng(seed)
    nothing = np.full(count, np.nan, np.float32)
    gold = generator.integers(0, 3, count)
    gold[generator.random(count) < unknown] = -100
    return Predictions(
        labels=LABELS,
        conversations=("c",) * count,
        utterances=tuple(map(str, range(count))),
        gold=gold,
        probabilities=generator.dirichlet(np.ones(3), count).astype(np.float32),
        weights={},
        similarity=nothing,
        context_weight=nothing,
    )


def test_thresholds_come_from_one_split_and_scores_from_the_other():
    chosen_on, scored = predictions(400, 1), predictions(300, 2)
    measured = measure_abstention(chosen_on, scored, planned=(1.0, 0.8, 0.25))
    assert [item.planned for item in measured] == [1.0, 0.8, 0.25]
    assert measured[0].scores == score(scored)
    for item in measured:
        highest = sorted((max(row) for row in chosen_on.probabilities.tolist()), reverse=True)
        kept = sum(value >= item.threshold for value in highest)
        assert kept == pytest.approx(item.planned * 400, abs=1)
        rows = [
            index
            for index, (row, gold) in enumerate(
                zip(scored.probabilities.tolist(), scored.gold.tolist(), strict=True)
            )
            if max(row) >= item.threshold and gold >= 0
        ]
        assert item.answered == pytest.approx(len(rows) / (scored.gold >= 0).sum())
        right = sum(int(np.argmax(scored.probabilities[i])) == scored.gold[i] for i in rows)
        assert item.scores.accuracy == pytest.approx(100 * right / len(rows))


def test_unreached_threshold_is_left_out():
    chosen_on, scored = predictions(50, 1), predictions(50, 2)
    flat = Predictions(
        **{
            name: getattr(scored, name)
            for name in (
                "labels", "conversations", "utterances", "gold", "weights", "similarity",
                "context_weight",
            )
        },
        probabilities=np.full((50, 3), 1 / 3, np.float32),
    )  # fmt: skip
    assert [item.planned for item in measure_abstention(chosen_on, flat)] == [1.0]


def test_missing_labels_are_refused():
    unlabelled = predictions(20, 3, unknown=1.0)
    with pytest.raises(InputError, match="no utterance has a gold label"):
        measure_abstention(unlabelled, unlabelled)
