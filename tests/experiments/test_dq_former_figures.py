from dataclasses import replace

import numpy as np
import pytest
import soundfile

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.experiments.papers.dq_former import figures
from mmerc.experiments.reproduction.reproduce import reproduce
from mmerc.labels import LabelSet
from mmerc.media.segment import Clip
from mmerc.training.corpus_source import CorpusSource

RATE = 16_000


@pytest.fixture
def table():
    """Six utterances: both correct, audio only, text only twice, all wrong, unknown label."""
    return {
        "gold": np.array([0, 1, 2, 2, 0, -100]),
        "predicted": np.array([0, 1, 2, 2, 1, 1]),
        "alone_text": np.array([0.0, 0, 2, 2, 0, 1]),
        "alone_audio": np.array([0.0, 1, 0, -1, 1, 0]),
        "confidence_text": np.array([[0.5, 0.6, 1.0]] * 6),
        "confidence_audio": np.array([[0.5, 0.1 * i, 0.0] for i in range(6)]),
    }


def test_dominant_modality(table):
    actual = {kind: list(chosen) for kind, chosen in figures._by_dominance(table).items()}
    assert actual == {"audio-dominated": [1], "text-dominated": [2, 3]}


def test_second_to_last_layer(table):
    assert list(figures._penultimate(table)) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    single = {"confidence_audio": np.array([[0.7], [0.8]])}
    assert list(figures._penultimate(single)) == [0.7, 0.8]


def test_case_shows_the_prediction_of_each_head(table):
    rows = figures._case_layers({"case": 1}, table, 1, ("calm", "glad", "cross"))
    assert [(row["modality"], row["layer"]) for row in rows[:4]] == [
        ("text", 1), ("text", 2), ("text", 3), ("audio", 1),
    ]  # fmt: skip
    assert {row["alone"] for row in rows if row["modality"] == "audio"} == {"glad"}
    assert rows[4]["confidence"] == pytest.approx(0.1)


def test_utterances_with_a_missing_modality_are_excluded_from_priority(table):
    whole = figures._complete_utterances(table)
    assert list(whole["gold"]) == [0, 1, 2, 0, -100]
    assert {kind: list(chosen) for kind, chosen in figures._by_dominance(whole).items()} == {
        "audio-dominated": [1], "text-dominated": [2],
    }  # fmt: skip


LABELS = LabelSet("own", ("calm", "glad"))
SIZES = {"train": (8, 8, 8), "valid": (6,), "test": (8, 9, 7, 8)}


@pytest.fixture(scope="module")
def spoken_corpus(tmp_path_factory, make_conversation):
    """A corpus in which words and tones each predict most labels, and its audio."""
    folder = tmp_path_factory.mktemp("spoken")
    numbers, sounds = np.random.default_rng(0), {}

    def noisy_label(kind, share):
        """The label, or sometimes the other one: words and tones are noisy."""
        return kind if numbers.random() < share else 1 - kind

    def write_audio(conversation):
        utterances = []
        for utterance in conversation.utterances:
            kind = numbers.integers(2)
            path = folder / f"{utterance.id}.wav"
            tone = np.sin(np.arange(int(0.3 * RATE)) * (0.05, 0.6)[noisy_label(kind, 0.7)])
            soundfile.write(path, 0.3 * tone, RATE)
            sounds[conversation.id, utterance.id] = Clip(path)
            text = ("no no no", "always always")[noisy_label(kind, 0.9)]
            utterances.append(replace(utterance, text=text, label=LABELS.names[kind]))
        return replace(conversation, utterances=tuple(utterances))

    splits = {
        split: tuple(write_audio(make_conversation(f"{split}-{n}", s)) for n, s in enumerate(sizes))
        for split, sizes in SIZES.items()
    }
    PreparedCorpus(name="composed", labels=LABELS, splits=splits, features={}).save(folder / "it")
    return CorpusSource(corpus=folder / "it", sounds=sounds)


@pytest.fixture(scope="module")
def report_target(
    make_settings, spoken_corpus, tiny_encoder, tiny_speech_encoder, tmp_path_factory
):
    """A function that reports a target with tiny text-audio models trained for twelve epochs."""
    changes = (
        f"model.text_encoder.name={tiny_encoder}",
        f"model.speech_encoder.name={tiny_speech_encoder}",
        "model.width=16", "model.queries=2", "model.attention_heads=2", "training.epochs=12",
        "training.utterances_per_epoch=48", "training.learning_rate=0.01",
        "training.encoder_learning_rate=0.003", "training.warmup_steps=1",
    )  # fmt: skip
    out = tmp_path_factory.mktemp("heard") / "out"

    def draw(target, **settings):
        settings = make_settings(spoken_corpus, out, seeds=1, changes=changes, **settings)
        return reproduce(target, settings)[target]

    return draw


def test_audio_models_are_reproduced_too(report_target):
    predictions = report_target(
        "dq-former-table4", rows=("DQ-Former, audio zeroed", "DQ-Former, text absent")
    )
    assert [row["row"] for row in predictions.rows] == [
        "DQ-Former", "DQ-Former, audio zeroed", "DQ-Former, text absent",
    ]  # fmt: skip
    assert len(list((predictions.folder.parent / "runs").iterdir())) == 1
    assert (predictions.folder / "report.md").read_text().count("| 12.0 |") == 1


def test_confidence_by_layer(report_target, read_csv):
    rows = read_csv(report_target("dq-former-figure3").folder / "figures" / "layer-confidence.csv")
    assert [(row["modality"], row["layer"]) for row in rows] == [
        ("text", "1"), ("text", "2"), ("audio", "1"), ("audio", "2"),
    ]  # fmt: skip
    for row in rows:
        bounds = [float(row[name]) for name in figures.QUANTILES]
        assert bounds == sorted(bounds)
        assert 0 <= bounds[0] <= bounds[-1] <= 1


def test_confidence_by_kind_and_cases(report_target, read_csv):
    folder = report_target("dq-former-figure4").folder / "figures"
    rows = read_csv(folder / "dominance.csv")
    assert {row["kind"] for row in rows} == {"audio-dominated", "text-dominated"}
    assert (folder / "dominance.png").is_file()
    predictions = report_target("dq-former-figure5")
    cases = read_csv(predictions.folder / "figures" / "cases.csv")
    one = [row for row in cases if (row["kind"], row["case"]) == ("audio-dominated", "1")]
    assert [(row["modality"], row["layer"]) for row in one] == [
        ("text", "1"), ("text", "2"), ("audio", "1"), ("audio", "2"),
    ]  # fmt: skip
    assert {row["alone"] for row in one if row["modality"] == "audio"} == {one[0]["gold"]}
    assert {row["alone"] for row in one if row["modality"] == "text"} != {one[0]["gold"]}
    audio = [float(row["confidence"]) for row in one if row["modality"] == "audio"]
    loudest = max(float(row["confidence"]) for row in rows if row["kind"] == "audio-dominated")
    assert audio[0] == pytest.approx(loudest, abs=1e-5)


def test_no_dominant_modality(table):
    with pytest.raises(InputError, match="no test utterance is text-dominated or audio-domina"):
        figures._require_records([])
