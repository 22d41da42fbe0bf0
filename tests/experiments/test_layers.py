from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mmerc.experiments import analyses_layers as layers
from mmerc.experiments.reproduce import reproduce
from mmerc.experiments.workspace import CorpusSource
from mmerc.media.segment import Clip

RATE = 16_000


@pytest.fixture
def table():
    """Six utterances: both right, audio alone, text alone twice, the model wrong, unknown label."""
    return {
        "gold": np.array([0, 1, 2, 2, 0, -100]),
        "predicted": np.array([0, 1, 2, 2, 1, 1]),
        "alone_text": np.array([0.0, 0, 2, 2, 0, 1]),
        "alone_audio": np.array([0.0, 1, 0, -1, 1, 0]),
        "confidence_text": np.array([[0.5, 0.6, 1.0]] * 6),
        "confidence_audio": np.array([[0.5, 0.1 * i, 0.0] for i in range(6)]),
    }


def test_who_dominates(table):
    found = {kind: list(chosen) for kind, chosen in layers.kinds(table).items()}
    assert found == {"audio-dominated": [1], "text-dominated": [2, 3]}


def test_the_last_layer_but_one(table):
    assert list(layers.penultimate(table)) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    single = {"confidence_audio": np.array([[0.7], [0.8]])}
    assert list(layers.penultimate(single)) == [0.7, 0.8]


def test_a_case_says_what_each_head_names(table):
    rows = layers.case_rows({"case": 1}, table, 1, ("calm", "glad", "cross"))
    assert [(row["modality"], row["layer"]) for row in rows[:4]] == [
        ("text", 1), ("text", 2), ("text", 3), ("audio", 1),
    ]  # fmt: skip
    assert {row["alone"] for row in rows if row["modality"] == "audio"} == {"glad"}
    assert rows[4]["confidence"] == pytest.approx(0.1)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory, small_corpus):
    """The small corpus as the composed one, saved, and its sounds."""
    folder = tmp_path_factory.mktemp("spoken")
    replace(small_corpus, name="composed").save(folder / "corpus")
    numbers, sounds = np.random.default_rng(0), {}
    for conversation in (c for split in small_corpus.splits.values() for c in split):
        for utterance in conversation.utterances:
            path = folder / f"{utterance.id}.wav"
            soundfile.write(path, 0.1 * numbers.normal(size=int(0.3 * RATE)), RATE)
            sounds[conversation.id, utterance.id] = Clip(path)
    return CorpusSource(path=folder / "corpus", sounds=sounds)


def test_models_that_hear_are_reproduced_too(
    make_request, spoken, tiny_encoder, tiny_speech_encoder, tmp_path, read_csv
):
    changes = (
        f"model.text_encoder.name={tiny_encoder}",
        f"model.speech_encoder.name={tiny_speech_encoder}",
        "model.width=16", "model.queries=2", "model.attention_heads=2", "training.epochs=1",
        "training.utterances_per_epoch=16",
    )  # fmt: skip
    given = make_request(
        spoken, tmp_path / "out", seeds=1, changes=changes,
        rows=("DQ-Former, audio zeroed", "DQ-Former, text absent"),
    )  # fmt: skip
    made = reproduce("dq-former-table4", given)["dq-former-table4"]
    assert [row["row"] for row in made.rows] == [
        "DQ-Former", "DQ-Former, audio zeroed", "DQ-Former, text absent",
    ]  # fmt: skip
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1
    early = replace(given, choice=replace(given.choice, rows=()))
    folder = reproduce("dq-former-figure3", early)["dq-former-figure3"].folder
    rows = read_csv(folder / "figures" / "layer-confidence.csv")
    assert [(row["modality"], row["layer"]) for row in rows] == [
        ("text", "1"), ("text", "2"), ("audio", "1"), ("audio", "2"),
    ]  # fmt: skip
    for row in rows:
        bounds = [float(row[name]) for name in layers.QUANTILES]
        assert bounds == sorted(bounds)
        assert 0 <= bounds[0] <= bounds[-1] <= 1
