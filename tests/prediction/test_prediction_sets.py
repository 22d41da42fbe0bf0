"""Temperatures and prediction sets per modality set, from the model to the rows."""

import json
import math
import shutil

import pytest
import torch

import mmerc
from mmerc.errors import InputError, UsageError
from mmerc.evaluation.conformal import nonconformity
from mmerc.inference.exports.utterance_rows import as_csv, as_json_lines, as_text
from mmerc.models.registry import load_model
from mmerc.models.set_scores import (
    SET_SCORES_FILE,
    ModalityScores,
    ScoreGrid,
    SetScores,
    modality_key,
)
from mmerc.prediction.prediction_sets import build_sets
from mmerc.prediction.run_model import run_model
from mmerc.prediction.set_request import SetRequest

SIZES = [6, 3, 8]


def grid(*scores):
    return ScoreGrid(count=len(scores), grid=scores)


def scores(method, every, by_label):
    return ModalityScores(method=method, every=every, by_label=by_label)


FINE = tuple(number / 20 for number in range(1, 21))
STORED = SetScores(
    source="10 conversations",
    by_modalities={
        "text+audio+video": scores(
            "lac", grid(*FINE), (grid(*FINE), grid(0.1), grid(*FINE), grid())
        ),
        "text": scores("aps", grid(*FINE), (grid(*FINE),) * 4),
        "any": scores("lac", grid(*[0.9] * 20), (grid(*[0.9] * 20),) * 4),
    },
)  # fmt: skip


@pytest.fixture(scope="module")
def model(make_model):
    model = make_model("df-erc").eval()
    model.set_scores = STORED
    return model


@pytest.fixture(scope="module")
def examples(make_examples):
    examples = make_examples(SIZES, absent=0.4)
    for present in examples[0].present.values():
        present[2] = False  # nothing to calibrate with
    return examples


def test_each_modality_set_has_its_temperature(make_model, examples):
    model = make_model("df-erc").eval()
    plain = run_model(model, examples)
    model.temperature, model.temperatures = 2.0, {"text": 4.0, "text+audio+video": 0.5}
    for effects in (False, True):
        changed = run_model(model, examples, effects=effects)
        for row in range(sum(SIZES)):
            used = modality_key(m for m in changed.used if changed.used[m][row])
            temperature = {"text": 4.0, "text+audio+video": 0.5}.get(used, 2.0)
            expected = (plain.probabilities[row].log() / temperature).softmax(-1)
            torch.testing.assert_close(changed.probabilities[row], expected, atol=1e-5, rtol=1e-4)
    kinds = {tuple(bool(plain.used[m][row]) for m in plain.used) for row in range(sum(SIZES))}
    assert {(True, True, True), (True, False, False), (False, False, False)} <= kinds


def test_sets_equal_a_slow_reference(model, examples):
    output = run_model(model, examples)
    for request in (SetRequest(level=0.6), SetRequest(level=0.6, class_conditional=True)):
        sets = build_sets(model, output, request)
        for row, one in enumerate(sets):
            used = modality_key(m for m in output.used if output.used[m][row])
            p = output.probabilities[row].double()
            names = sorted(model.labels, key=lambda name: -p[model.labels.index(name)])
            if not used:
                assert one.unsure and one.labels == tuple(names)
                continue
            stored = STORED.by_modalities.get(used, STORED.by_modalities["any"])
            own = nonconformity(p[None].numpy(), stored.method)[0]
            expected = []
            for name in names:
                label = model.labels.index(name)
                part = stored.by_label[label] if request.class_conditional else stored.every
                rank = math.ceil(round((part.count + 1) * request.level, 9))
                limit = math.inf if rank > part.count else part.grid[rank - 1]
                if own[label] <= limit:
                    expected.append(name)
            assert one.labels == tuple(expected) and names[0] in one.labels
            assert one.unsure == (len(expected) > 3)
        if request.class_conditional:  # a label with too few calibration utterances is in every set
            never = [i for i, s in enumerate(sets) if model.labels.names[3] not in s.labels]
            assert all(not output.used["audio"][i] or not output.used["text"][i] for i in never)


def test_scores_are_saved_with_the_model(model, tmp_path):
    model.temperatures = {"text": 1.5, "text+audio+video": 0.5}
    model.save_pretrained(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.set_scores == STORED and again.temperatures == model.temperatures
    model.temperatures = {}
    file = tmp_path / "model" / SET_SCORES_FILE
    for damage in ("{}", "[", file.read_text().replace('"aps"', '"xyz"')):
        file.write_text(damage)
        with pytest.raises(InputError, match=r"prediction_sets\.json"):
            load_model(tmp_path / "model")
    file.unlink()
    assert load_model(tmp_path / "model").set_scores is None


def test_impossible_requests_are_refused(make_model, model, small_corpus):
    conversations = small_corpus.splits["test"]
    with pytest.raises(InputError, match=r"no scores for prediction sets .*mmerc package"):
        mmerc.predict(
            make_model("df-erc").eval(), conversations, small_corpus.features, sets=SetRequest()
        )
    with pytest.raises(InputError, match=r"from 20 labelled utterances, too few for 0\.99; .*99"):
        mmerc.predict(model, conversations, small_corpus.features, sets=SetRequest(level=0.99))
    with pytest.raises(UsageError, match=r"between 0 and 1, such as 0\.9, not 90"):
        SetRequest(level=90)


def test_rows_have_sets_only_on_request(model, small_corpus):
    conversations = small_corpus.splits["test"]
    plain = mmerc.predict(model, conversations, small_corpus.features)
    assert "emotions" not in json.loads(as_json_lines(plain).split("\n")[0])
    assert "unsure" not in as_csv(plain).split("\n")[0].split(",")
    asked = mmerc.predict(
        model, conversations, small_corpus.features, sets=SetRequest(most_labels=2)
    )
    row = json.loads(as_json_lines(asked).split("\n")[0])
    assert row["emotions"][0] == row["label"]
    assert row["unsure"] == (len(row["emotions"]) > 2)
    assert "|".join(row["emotions"]) in as_csv(asked)
    words = "unsure" if row["unsure"] else " or ".join(row["emotions"])
    assert words in as_text(asked).split("\n")[1]


def test_packaged_text_model_has_sets(tmp_path):
    """mmerc-mini-text as users load it; without its scores, the same model gives advice."""
    (tmp_path / "talk.txt").write_text("Ada: I can't believe we won!\nBen: Oh.\n")
    talk = mmerc.read_transcript(tmp_path / "talk.txt")
    small, large = (
        mmerc.predict("mmerc-mini-text", talk, sets=SetRequest(level=level))
        for level in (0.5, 0.99)
    )
    for one, other in zip(small, large, strict=True):
        assert set(one.emotions) <= set(other.emotions)
        assert one.emotions[0] == one.label
    from mmerc.models.embedded_models import find_embedded_model

    old = tmp_path / "old"
    shutil.copytree(find_embedded_model("mmerc-mini-text"), old)
    (old / SET_SCORES_FILE).unlink()
    assert load_model(old).set_scores is None
