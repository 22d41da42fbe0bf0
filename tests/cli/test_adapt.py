"""``mmerc adapt`` as a program; what it fits is in tests/training/test_adapt.py."""

from types import SimpleNamespace

import numpy as np
import pytest

from mmerc.evaluation.logit_adaptation import Adaptation, LogitMap
from mmerc.training import adapt


def outcome(**changes):
    values = {
        "map": LogitMap(kind="prior", weights=np.eye(2), bias=np.zeros(2)), "labels": 40,
        "conversations": 5, "gain": 0.1, "low": 0.02, "high": 0.2, "accuracy": (50.0, 60.0),
        "weighted_f1": (48.0, 59.0), "better": True, "more_labels": 0,
        "held_out": np.zeros((40, 2)),
    }  # fmt: skip
    return Adaptation(**values | changes)


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        ({}, "adapted model in out"),
        ({"better": False, "more_labels": 70}, "about 70 more labels would prove it"),
        ({"better": False, "more_labels": None, "gain": -0.1}, "no gain so far"),
    ],
)
def test_outcome_is_printed(mmerc, monkeypatch, changes, line):
    calls = SimpleNamespace(arguments=None)

    def fake(*arguments, **_):
        calls.arguments = arguments
        return outcome(**changes)

    monkeypatch.setattr(adapt, "adapt_model", fake)
    answer = mmerc(
        "adapt", "some-model", "--labels", "a.jsonl", "--labels", "b.jsonl", "--out", "out"
    )
    assert answer.code == 0, answer.err
    assert line in answer.out
    assert "40 labels in 5 conversations" in answer.out
    assert [path.name for path in calls.arguments[1]] == ["a.jsonl", "b.jsonl"]
    answer = mmerc("adapt", "some-model", "--labels", "a.jsonl", "--out", "out", "--json")
    assert answer.json["map"] == "prior"
    assert answer.json["out"] == ("out" if not changes else None)


def test_unknown_model_is_refused(mmerc, tmp_path):
    answer = mmerc("adapt", tmp_path / "none", "--labels", "a.jsonl", "--out", tmp_path / "out")
    assert answer.code == 1
    assert "none" in answer.sentence
