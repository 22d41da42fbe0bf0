"""``mmerc.evaluate`` on everything that contains a model, and its remarks."""

import json
import shutil
from dataclasses import replace

import pytest

import mmerc
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.evaluation.predictions import Predictions
from mmerc.features.store import FeatureSpec, FeatureTable
from mmerc.models.registry import load_model
from mmerc.training.packaging import package_run, refit_packaged


@pytest.fixture(scope="module")
def packaged(finished, small_corpus, tmp_path_factory):
    """The finished run as a packaged model."""
    out = tmp_path_factory.mktemp("packaged") / "model"
    package_run(finished[0], small_corpus, out)
    return out


@pytest.fixture
def run(finished, tmp_path):
    """A writable copy of the finished run's model and result."""
    shutil.copytree(finished[0], tmp_path / "run")
    return tmp_path / "run"


def relabelled(corpus, split, label):
    """The corpus with other labels in one split; ``label`` takes conversation number and label."""
    conversations = tuple(
        replace(
            item,
            utterances=tuple(replace(u, label=label(number, u.label)) for u in item.utterances),
        )
        for number, item in enumerate(corpus.splits[split])
    )
    return replace(corpus, splits={**corpus.splits, split: conversations})


def files_under(folder):
    return {p: p.stat().st_mtime_ns for p in folder.rglob("*")}


def test_run_shows_its_own_result(finished):
    assert mmerc.evaluate(finished[0]) == finished[1]
    assert mmerc.evaluate(str(finished[0])) == finished[1]
    with pytest.raises(UsageError, match="--corpus"):
        mmerc.evaluate(finished[0], split="valid")


def test_run_keeps_its_evaluations(run, finished, small_corpus, tmp_path):
    small_corpus.save(tmp_path / "corpus")
    result = mmerc.evaluate(run, tmp_path / "corpus")
    assert result["summary"] == finished[1]["summary"]
    assert result["seeds"][0]["test"] == finished[1]["seeds"][0]["test"]
    (folder,) = (run / "evaluations").iterdir()
    assert json.loads((folder / "result.json").read_text()) == result
    valid = mmerc.evaluate(run, small_corpus, split="valid")
    assert valid["seeds"][0]["valid"] == finished[1]["seeds"][0]["valid"]
    assert list(valid["summary"]) == ["valid"]
    assert any("chosen on the validation split" in line for line in valid["remarks"])
    assert (run / "evaluations" / f"{folder.name}-valid" / "result.json").is_file()
    assert json.loads((folder / "result.json").read_text()) == result


def test_evaluating_a_model_folder_writes_nothing(finished, small_corpus, tmp_path):
    folder = finished[0] / "seed-0" / "model"
    before = files_under(finished[0])
    result = mmerc.evaluate(folder, small_corpus)
    assert result["seeds"] == [{"seed": None, "test": finished[1]["seeds"][0]["test"]}]
    assert (result["recipe"], result["model"]) == (str(folder), "df-erc")
    assert files_under(finished[0]) == before
    out = tmp_path / "out"
    assert mmerc.evaluate(folder, small_corpus, out=out) == result
    assert json.loads((out / "result.json").read_text()) == result
    names = {path.name for path in out.iterdir()}
    assert names == {"predictions.parquet", "confusion.csv", "result.json"}
    assert len(Predictions.load(out / "predictions.parquet")) == 17
    assert mmerc.evaluate(folder, small_corpus, out=out) == result
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="contains other files"):
        mmerc.evaluate(folder, small_corpus, out=tmp_path / "mine")


def test_packaged_model_is_evaluated(packaged, small_corpus):
    result = mmerc.evaluate(packaged, small_corpus)
    assert result["seeds"][0]["test"]["weighted_f1"] > 0
    assert load_model(packaged).temperature != 1


def test_folder_without_a_model_is_refused(small_corpus, tmp_path):
    with pytest.raises(InputError, match="not a run; name a finished run, or the --corpus"):
        mmerc.evaluate("mmerc-mini")
    (tmp_path / "empty").mkdir()
    with pytest.raises(MmercError, match=r"no config\.json"):
        mmerc.evaluate(tmp_path / "empty", small_corpus)


def test_labels_must_match_the_model(finished, small_corpus):
    names = tuple(f"other {name}" for name in small_corpus.labels)
    other = replace(small_corpus, labels=type(small_corpus.labels)(name="other", names=names))
    other = relabelled(other, "test", lambda number, label: names[0])
    with pytest.raises(InputError, match="evaluate on a corpus of those labels"):
        mmerc.evaluate(finished[0] / "seed-0" / "model", other)


# Remarks


def remarks(finished, corpus, **settings):
    return mmerc.evaluate(finished[0] / "seed-0" / "model", corpus, **settings)["remarks"]


def test_absent_vectors_are_counted(finished, small_corpus):
    lines = remarks(finished, small_corpus)
    tables, items = small_corpus.features, small_corpus.splits["test"]
    keys = [(item.id, utterance.id) for item in items for utterance in item.utterances]
    absent = {m: sum(table.vector(*key) is None for key in keys) for m, table in tables.items()}
    expected = {f"{n} of 17 utterances have no {m} vector" for m, n in absent.items() if n}
    assert expected <= set(lines)


def test_modality_missing_from_the_corpus(finished, small_corpus):
    features = {m: table for m, table in small_corpus.features.items() if m != "audio"}
    lines = remarks(finished, replace(small_corpus, features=features))
    assert any("has no audio vectors, which the model uses" in line for line in lines)


def test_vectors_of_another_extractor_are_refused(finished, small_corpus):
    table = small_corpus.features["audio"]
    spec = FeatureSpec(modality="audio", extractor="compare", dim=table.spec.dim)
    other = FeatureTable.of(spec, list(table.rows.values()))
    features = {**small_corpus.features, "audio": other}
    (line,) = [
        x for x in remarks(finished, replace(small_corpus, features=features)) if "extr" in x
    ]
    assert "compare, but the model was trained on those of random" in line


def test_conversations_of_the_training_data(finished, small_corpus):
    lines = remarks(finished, small_corpus, split="train")
    assert any(line.startswith("the model was trained on 6 of these 6") for line in lines)


def test_unlabelled_utterances_are_reported(finished, small_corpus):
    utterances = [u for item in small_corpus.splits["test"] for u in item.utterances]
    unknown = sum(u.label is None for u in utterances)
    message = f"{unknown} of 17 utterances have no label and are not scored"
    assert (message in remarks(finished, small_corpus)) == (unknown > 0)
    fewer = relabelled(small_corpus, "test", lambda number, label: None if number else label)
    assert any("have no label and are not scored" in line for line in remarks(finished, fewer))
    none = relabelled(small_corpus, "test", lambda number, label: None)
    with pytest.raises(InputError, match="no utterance of its test split has a label"):
        remarks(finished, none)
    without = replace(small_corpus, splits={"train": small_corpus.splits["train"]})
    with pytest.raises(InputError, match=r"no test split; choose a --split that it has \(train\)"):
        remarks(finished, without)


def test_packaged_model_is_calibrated_by_set_of_modalities(packaged, small_corpus, tmp_path):
    model = load_model(packaged)
    subsets = {"text+audio+video", "text+audio", "text+video", "audio+video", "text", "audio"}
    assert {*model.temperatures} == {*model.set_scores.by_modalities} == {*subsets, "video"}
    assert model.temperature == model.temperatures["text+audio+video"]
    valid = small_corpus.splits["valid"]
    for key, scores in model.set_scores.by_modalities.items():
        complete = [
            u.label
            for c in valid
            for u in c.utterances
            if u.label is not None
            and all(small_corpus.features[m].vector(c.id, u.id) is not None for m in key.split("+"))
        ]
        assert scores.every.count == len(complete)
        counts = [complete.count(name) for name in model.labels]
        assert [grid.count for grid in scores.by_label] == counts
    assert small_corpus.name in model.set_scores.source
    card = (packaged / "README.md").read_text()
    assert "label in its set" in card and "| text + sound + faces |" in card
    shutil.copytree(packaged, tmp_path / "model")
    (tmp_path / "model" / "prediction_sets.json").unlink()
    refit_packaged(tmp_path / "model", small_corpus)
    again = load_model(tmp_path / "model")
    assert again.temperatures == pytest.approx(model.temperatures, rel=0.05)
    assert (tmp_path / "model" / "README.md").read_text()[:40] == card[:40]
    weights = (folder / "model.safetensors" for folder in (packaged, tmp_path / "model"))
    assert len({path.read_bytes() for path in weights}) == 1
