"""``mmerc robustness`` from raw files to table and figure."""

import csv
import json
import shutil

import numpy as np
import pytest
import soundfile
import yaml

from fer2013 import fer_rows, write
from mmerc.evaluation.predictions import Predictions

RATE = 16_000
LINES = ("Well yes you saw me", "No", "They went red and blue", "Why always you", "I never came")
SMALL = {
    "disentangled_width": 8, "classifier_width": 8, "fusion_width": 8, "prototype_width": 8,
    "context_width": 8, "attention_heads": 2,
}  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The parts of a composed corpus: tables, audio and images."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "ravdess").mkdir()
    (folder / "fer2013").mkdir()
    (folder / "meld-composed").mkdir()
    faces = fer_rows()
    write(faces, folder / "fer2013" / "fer2013.parquet")
    time = np.arange(RATE // 4) / RATE
    number = 0
    for split in ("train", "dev", "test"):
        lines = ["dialogue_id,utterance_id,speaker,emotion,text,audio,faces"]
        for dialogue, utterance in ((d, u) for d in range(2) for u in range(3)):
            shown = ";".join(faces[(number + i) % len(faces)]["name"] for i in range(2))
            emotion, text = ("joy", "anger")[number % 2], LINES[number % len(LINES)]
            lines.append(f"{dialogue},{utterance},Ann,{emotion},{text},clip-{number}.flac,{shown}")
            tone = 0.2 * np.sin(2 * np.pi * (140 + 30 * number) * time)
            soundfile.write(folder / "ravdess" / f"clip-{number}.flac", tone, RATE)
            number += 1
        (folder / "meld-composed" / f"{split}.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def corpus(done, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "composed"
    done("prepare", "composed", data, "--out", folder)
    done("extract", folder, "--media", data, "--audio", "is10", "--video", "denseface", "--quiet")
    return folder


@pytest.fixture(scope="module")
def run(done, corpus, tiny_encoder, tmp_path_factory):
    """Two seeds of a very small DF-ERC on text, audio and faces."""
    folder = tmp_path_factory.mktemp("runs")
    model = {"name": "df-erc", "text_encoder": {"name": str(tiny_encoder)}, **SMALL}
    training = {"epochs": 2, "batch_conversations": 2, "warmup_steps": 1, "seeds": 2}
    training |= {"learning_rate": 0.02, "encoder_learning_rate": 0.01}
    value = {"name": "own", "description": "x", "model": model, "training": training}
    (folder / "own.yaml").write_text(yaml.safe_dump(value))
    arguments = ("--recipe", folder / "own.yaml", "--corpus", corpus, "--quiet")
    done("train", *arguments, "--out", folder / "own-run")
    return folder / "own-run"


@pytest.fixture(scope="module")
def first(done, run, corpus, data, tmp_path_factory):
    """Folder and output of a first call."""
    out = tmp_path_factory.mktemp("measured") / "out"
    arguments = ("--corpus", corpus, "--media", data, "--out", out, "--json")
    return out, done("robustness", run, *arguments)


@pytest.fixture
def again(done, run, corpus, data, first, tmp_path):
    """A function that repeats the call in a copy of the first call's folder."""
    shutil.copytree(first[0], tmp_path / "out")

    def call(*runs):
        arguments = ("--corpus", corpus, "--media", data, "--out", tmp_path / "out", "--json")
        return tmp_path / "out", done("robustness", *(runs or (run,)), *arguments)

    return call


def kept(folder):
    """Vectors and predictions, with their time of writing."""
    return {
        path.relative_to(folder): path.stat().st_mtime_ns
        for part in ("features", "predictions")
        for path in (folder / part).rglob("*.parquet")
    }


def test_every_disturbance_has_a_row(first, run):
    _, outcome = first
    rows = outcome.json["rows"]
    assert outcome.json["left_out"] == []
    assert [row["disturbance"] for row in rows].count("undisturbed") == 1
    named = {(row["modality"], row["disturbance"], row["strength"]) for row in rows}
    assert len(named) == len(rows) == 16
    assert {strength for _, how, strength in named if how == "noise"} == {20, 10, 0}
    assert {row["seeds"] for row in rows} == {2}
    result = json.loads((run / "result.json").read_text())
    assert rows[0]["mean"] == pytest.approx(result["summary"]["test"]["weighted_f1"]["mean"], 1e-4)
    assert rows[0]["difference"] is None
    for row in rows[1:]:
        assert row["difference"] == pytest.approx(row["mean"] - rows[0]["mean"], abs=1e-6)
        assert row["low"] <= row["difference"] <= row["high"]
        assert row["bootstrap_p"] <= row["holm_p"]


def test_table_figure_and_data_are_written(first):
    out, outcome = first
    with open(out / "robustness.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    rows = outcome.json["rows"]
    assert [float(line["mean"]) for line in lines] == pytest.approx([row["mean"] for row in rows])
    report = (out / "robustness.md").read_text()
    assert "composed, test split: 6 utterances in 2 conversations" in report
    assert f"| own-run | audio | noise, 10 dB | {rows[7]['mean']:.2f} ± " in report
    assert "(figures/robustness.png)" in report
    assert (out / "figures" / "robustness.png").read_bytes().startswith(b"\x89PNG")
    drawn = (out / "figures" / "robustness.svg").read_text()
    for text in ("text", "audio", "video", "20 dB", "75 %", "zeroed", "own-run"):
        assert f"<!-- {text} -->" in drawn
    with open(out / "figures" / "robustness.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 18  # the undisturbed run is in every panel


def test_predictions_come_from_the_disturbed_split(first, run):
    actual = list((first[0] / "predictions" / "own-run").rglob("*.parquet"))
    assert len(actual) == 32
    (undisturbed,) = (path for path in actual if path.match("seed-1/undisturbed-*"))
    predictions = Predictions.load(run / "seed-1" / "predictions-test.parquet")
    assert np.allclose(
        Predictions.load(undisturbed).probabilities, predictions.probabilities, atol=1e-5
    )


def test_finished_work_is_not_repeated(first, again):
    before = kept(first[0])
    out, outcome = again()
    assert outcome.json["rows"] == first[1].json["rows"]
    assert kept(out).keys() == before.keys()
    assert "seed-" not in outcome.err
    assert all(path.stat().st_mtime_ns in before.values() for path in out.rglob("*.parquet"))


def test_only_missing_parts_are_computed(first, again, run, tmp_path):
    """A deleted result, and those of a second model, on the existing vectors."""
    (lost,) = (tmp_path / "out" / "predictions").rglob("seed-1/video-frame-loss-50-percent-*")
    lost.unlink()
    out, outcome = again(run, run / "seed-1" / "model")
    rows = outcome.json["rows"]
    assert rows[:16] == first[1].json["rows"]
    assert [row["run"] for row in rows] == ["own-run"] * 16 + ["model"] * 16
    assert {row["seeds"] for row in rows[16:]} == {1}
    message = [line for line in outcome.err.splitlines() if line.startswith(("own-run", "model"))]
    assert message[0] == "own-run, seed-1: video-frame-loss-50-percent"
    assert len(message) == 17
    stores = [{p for p in kept(folder) if p.parts[0] == "features"} for folder in (out, first[0])]
    assert stores[0] == stores[1]
    assert "<!-- model -->" in (out / "figures" / "robustness.svg").read_text()


def test_missing_media_are_reported_in_two_lines(done, run, corpus, tmp_path):
    outcome = done("robustness", run, "--corpus", corpus, "--out", tmp_path / "out", "--quiet")
    message = outcome.err.splitlines()
    assert [line.split(" is left out: ")[0] for line in message] == [
        "own-run: audio, noise", "own-run: video, frame loss",
    ]  # fmt: skip
    assert all(line.endswith("; name their folder with --media.") for line in message)
    table = outcome.out.splitlines()
    assert table[0].split()[:3] == ["run", "modality", "disturbance"]
    assert len(table) == 1 + 1 + 3 + 6 + 1
    assert table[-1].endswith("robustness.md")
    assert message[0] in (tmp_path / "out" / "robustness.md").read_text()


def test_one_modality_and_another_metric(done, run, corpus, tmp_path):
    options = ("--modality", "text", "--metric", "accuracy", "--split", "valid", "--json")
    actual = done("robustness", run, "--corpus", corpus, "--out", tmp_path / "out", *options)
    rows = actual.json["rows"]
    assert {row["modality"] for row in rows} == {None, "text"}
    assert len(rows) == 6
    result = json.loads((run / "result.json").read_text())
    scores = [seed["valid"]["accuracy"] for seed in result["seeds"]]
    assert rows[0]["mean"] == pytest.approx(sum(scores) / 2, 1e-4)


def test_stored_text_vectors_exclude_word_disturbances(
    done, trimodal_run, trimodal_corpus, tmp_path
):
    arguments = ("--corpus", trimodal_corpus, "--out", tmp_path / "out", "--media", tmp_path)
    outcome = done("robustness", trimodal_run, *arguments, "--json")
    assert {row["disturbance"] for row in outcome.json["rows"]} == {
        "undisturbed", "zeroed", "absent",
    }  # fmt: skip
    message = outcome.json["left_out"]
    assert "reads stored text vectors" in message[1]
    assert "were not extracted by mmerc" in message[0]
    assert "were not extracted by mmerc" in message[2]


@pytest.mark.parametrize(
    ("options", "code", "named"),
    [
        (["NONE"], 1, "neither a run or model folder nor a Hub repository"),
        (["EMPTY"], 1, "contains no model"),
        (["RUN", "RUN"], 2, "is named twice"),
        (["RUN", "--modality", "smell"], 2, "own-run reads no smell"),
        (["RUN", "--corpus", "OTHER"], 1, "trained on other conversations"),
        (["RUN", "--corpus", "EMPTY"], 1, "not a prepared corpus"),
        (["RUN", "--media", "NONE"], 1, "not a folder"),
        (["RUN", "--media", "EMPTY"], 1, "fer2013"),
        (["RUN", "--metric", "f1"], 2, "--metric"),
        (["RUN", "--split", "train"], 2, "--split"),
        (["MODEL", "--corpus", "OTHER"], 1, "its labels are"),
    ],
)
def test_impossible_calls_are_refused(
    mmerc, run, corpus, trimodal_corpus, tmp_path, options, code, named
):
    (tmp_path / "empty").mkdir()
    places = {
        "NONE": tmp_path / "none", "EMPTY": tmp_path / "empty", "RUN": run,
        "OTHER": trimodal_corpus, "MODEL": run / "seed-0" / "model",
    }  # fmt: skip
    given = [places.get(option, option) for option in options]
    given += [] if "--corpus" in options else ["--corpus", corpus]
    outcome = mmerc("robustness", *given, "--out", tmp_path / "out", "--quiet")
    assert (outcome.code, outcome.out) == (code, "")
    assert named in outcome.sentence


def test_model_without_inputs(done, mmerc, corpus, tmp_path):
    arguments = ("--recipe", "majority", "--corpus", corpus, "--seeds", 1, "--quiet")
    done("train", *arguments, "--out", tmp_path / "most", "--set", "training.epochs=1")
    outcome = mmerc("robustness", tmp_path / "most", "--corpus", corpus, "--out", tmp_path / "out")
    assert outcome.code == 2
    assert "reads no modality" in outcome.sentence


def test_already_disturbed_media_are_not_disturbed_again(done, run, data, tmp_path):
    """Replacing it by weaker noise would make the audio cleaner."""
    corpus = tmp_path / "noisy"
    prepared = done("prepare", "composed", data, "--visible-noise", "--out", corpus)
    assert "disturbed by a random amount" in prepared.err
    done("extract", corpus, "--media", data, "--audio", "is10", "--video", "denseface", "--quiet")
    out = tmp_path / "out"
    arguments = ("--corpus", corpus, "--media", data, "--out", out, "--json")
    model = run / "seed-0" / "model"
    predictions = json.loads(done("robustness", model, *arguments).out)
    text = json.dumps(predictions)
    assert text.count("disturbed already") >= 2
