import csv
import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from run_files import history, weights
from safetensors import SafetensorError

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, MmercError
from mmerc.evaluation.metrics import score
from mmerc.evaluation.predictions import Predictions
from mmerc.models.df_erc.model import DfErc
from mmerc.models.registry import load_model
from mmerc.training.hardware import Hardware
from mmerc.training.result import scores_json
from mmerc.training.run import train_run
from mmerc.training.scoring import predict_corpus

SUMMARISED = {"accuracy", "weighted_f1", "macro_f1"}


# Files of a run


def test_result_has_the_documented_structure(finished, small_corpus):
    directory, result = finished
    assert json.loads((directory / "result.json").read_text()) == result
    keys = ["recipe", "model", "corpus", "seeds", "summary", "versions", "fingerprints"]
    assert list(result) == keys
    assert (result["recipe"], result["model"], result["corpus"]) == ("tiny", "df-erc", "small")
    (seed,) = result["seeds"]
    assert {"seed", "epoch", "valid", "test"} <= seed.keys()
    for split in ("valid", "test"):
        scores = seed[split]
        numbers = SUMMARISED | {"calibration_error"}
        assert numbers | {"per_class_f1"} <= scores.keys()
        assert list(scores["per_class_f1"]) == list(small_corpus.labels)
        assert all(0 <= scores[name] <= 100 for name in numbers)
    assert set(result["summary"]["test"]) == SUMMARISED
    for name, value in result["summary"]["test"].items():
        assert value["mean"] == pytest.approx(seed["test"][name], abs=1e-4)
        assert value["std"] == 0
        assert len(value["interval"]) == 2
    assert {"python", "mmerc", "torch"} <= result["versions"].keys()
    assert set(result["fingerprints"]) == {"conversations", "text", "audio", "video"}


def test_best_epoch_on_validation_is_chosen(finished):
    directory, result = finished
    measured = [float(row["valid_weighted_f1"]) for row in history(directory)]
    assert len(measured) == 3
    epoch = result["seeds"][0]["epoch"]
    assert epoch == measured.index(max(measured))
    assert result["seeds"][0]["valid"]["weighted_f1"] == pytest.approx(max(measured), abs=1e-3)


def test_stored_predictions_reproduce_the_scores(finished, small_corpus):
    directory, result = finished
    for split in ("valid", "test"):
        predictions = Predictions.load(directory / "seed-0" / f"predictions-{split}.parquet")
        assert scores_json(score(predictions), small_corpus.labels) == result["seeds"][0][split]
        said = [(c.id, u.id) for c in small_corpus.splits[split] for u in c.utterances]
        assert predictions.keys == said


def test_confusion_matrix_counts_every_labelled_test_utterance(finished, small_corpus):
    with open(finished[0] / "seed-0" / "confusion.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["gold", *small_corpus.labels] == ["gold", *(row[0] for row in rows)]
    known = sum(u.label is not None for c in small_corpus.splits["test"] for u in c.utterances)
    assert sum(int(cell) for row in rows for cell in row[1:]) == known


def test_finished_seed_keeps_no_training_state(finished):
    names = {path.name for path in (finished[0] / "seed-0").iterdir()}
    assert names == {
        "model", "history.csv", "predictions-valid.parquet", "predictions-test.parquet",
        "confusion.csv", "seed.json", "tensorboard",
    }  # fmt: skip


def test_model_records_its_training_data(finished, small_corpus):
    message = json.loads((finished[0] / "seed-0" / "model" / "training_data.json").read_text())
    assert message["corpus"] == message["labels_of"] == "small"
    assert message["conversations"] == sorted(c.id for c in small_corpus.splits["train"])
    assert list(load_model(finished[0]).labels) == list(small_corpus.labels)


def test_run_depends_on_the_seed_only(finished, train, tmp_path):
    directory, result = finished
    twice = train(tmp_path / "again", seeds=2)
    assert twice["seeds"][0] == result["seeds"][0]
    assert weights(tmp_path / "again") == weights(directory)
    assert weights(tmp_path / "again", 1) != weights(directory)
    mean = sum(seed["test"]["accuracy"] for seed in twice["seeds"]) / 2
    assert twice["summary"]["test"]["accuracy"]["mean"] == pytest.approx(mean, abs=1e-3)


def test_saved_corpus_trains_like_the_one_in_memory(finished, on_disk, tiny_recipe, tmp_path):
    on_disk()
    loaded = PreparedCorpus.load(tmp_path / "corpus")
    train_run(tiny_recipe(), loaded, tmp_path / "run", report=lambda line: None)
    assert weights(tmp_path / "run") == weights(finished[0])
    assert "LOCAL_RANK" not in os.environ


# Failures


@pytest.mark.parametrize("split", ["train", "valid", "test"])
@pytest.mark.parametrize("how", ["missing", "without labels"])
def test_every_split_needs_labels(tiny_recipe, small_corpus, tmp_path, split, how):
    splits = {name: items for name, items in small_corpus.splits.items() if name != split}
    if how == "without labels":
        splits[split] = tuple(
            replace(item, utterances=tuple(replace(u, label=None) for u in item.utterances))
            for item in small_corpus.splits[split]
        )
    with pytest.raises(InputError, match=f"no labelled utterance in its {split} split"):
        train_run(tiny_recipe(), replace(small_corpus, splits=splits), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_corpus_without_the_models_modalities_writes_nothing(tiny_recipe, small_corpus, tmp_path):
    poor = replace(small_corpus, features={"text": small_corpus.features["text"]})
    with pytest.raises(MmercError, match="The corpus has no audio vectors"):
        train_run(tiny_recipe(), poor, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_exploding_loss_stops_training(train, tmp_path):
    with pytest.raises(MmercError, match=r"epoch 1, batch \d: the loss term .* not a finite"):
        train(tmp_path / "run", learning_rate=1e30)


def test_nan_loss_is_reported_and_the_state_is_kept(train, tmp_path, monkeypatch):
    train(tmp_path / "whole")
    calls = []

    def nan_loss(self, logits, labels, kept=DfErc.emotion_loss):
        calls.append(self.training)
        bad = sum(calls) == 5  # three batches an epoch: the second of the second epoch
        return kept(self, logits, labels) * (float("nan") if bad else 1)

    with monkeypatch.context() as patch:
        patch.setattr(DfErc, "emotion_loss", nan_loss)
        with pytest.raises(MmercError, match="epoch 2, batch 2: the loss term emotion is not"):
            train(tmp_path / "run")
    assert (tmp_path / "run" / "seed-0" / "resume.safetensors").exists()
    assert not (tmp_path / "run" / "seed-0" / "seed.json").exists()
    train(tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


@pytest.mark.parametrize("place", ["training.best_epoch", "training.checkpoint", "models.base"])
@pytest.mark.parametrize("kind", [OSError(28, "No space left on device"), SafetensorError("full")])
def test_full_disk_is_reported_without_partial_files(train, tmp_path, monkeypatch, place, kind):
    def full(tensors, path, metadata=None):
        path.write_bytes(b"half")
        raise kind

    with monkeypatch.context() as patch:
        patch.setattr(f"mmerc.{place}.save_file", full)
        with pytest.raises(InputError, match="cannot be written") as caught:
            train(tmp_path / "run", epochs=1)
    assert "\n" not in str(caught.value)
    left = {path.name for path in (tmp_path / "run" / "seed-0").iterdir()}
    assert not any(name.startswith(".") for name in left)
    assert not {"model", "seed.json"} & left
    train(tmp_path / "run", epochs=1, resume=True)
    assert (tmp_path / "run" / "result.json").exists()


# Several processes


def test_two_processes_train_together_and_write_one_result(on_disk, tmp_path):
    more = ["--accelerator", "cpu", "--devices", "2", "--seeds", "2", "--json"]
    command = [sys.executable, "-m", "mmerc", *on_disk(epochs=1), *more]  # it starts itself again
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)  # one result, not one per process or seed
    assert printed == json.loads((tmp_path / "run" / "result.json").read_text())
    assert [seed["seed"] for seed in printed["seeds"]] == [0, 1]
    assert "sync_dist" not in done.stderr
    assert done.stderr.count("test weighted F1") == 2
    assert set(load_model(tmp_path / "run").labels) == {"calm", "glad", "sad", "cross"}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no graphics card")
def test_run_on_a_gpu(tiny_recipe, small_corpus, tmp_path):
    on_card = Hardware(accelerator="gpu")
    train_run(tiny_recipe(), small_corpus, tmp_path / "run", hardware=on_card)
    assert len(history(tmp_path / "run")) == 3
    predictions = Predictions.load(tmp_path / "run" / "seed-0" / "predictions-test.parquet")
    model = load_model(tmp_path / "run" / "seed-0" / "model")
    here = predict_corpus(model, small_corpus, "test", hardware=Hardware(accelerator="cpu"))
    np.testing.assert_allclose(here.probabilities, predictions.probabilities, atol=1e-3)
