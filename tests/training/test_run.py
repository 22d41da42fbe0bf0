import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
import yaml
from safetensors import SafetensorError

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, MmercError
from mmerc.evaluation.metrics import score
from mmerc.evaluation.predictions import Predictions
from mmerc.models.df_erc.model import DfErc
from mmerc.models.registry import create_model, load_model
from mmerc.nn.text_encoder import TextEncoderConfig
from mmerc.training.module import TrainingModule, drop_modalities, parameter_groups
from mmerc.training.recipe import TrainingConfig
from mmerc.training.result import scores_json
from mmerc.training.run import train_run
from mmerc.training.trainer import Hardware, train_seed

VARIANTS = [{}, {"modality_dropout": 0.3, "patience": 1, "epochs": 12}, {"weight_averaging": 0.9}]
SUMMARISED = {"accuracy", "weighted_f1", "macro_f1"}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, train):
    directory = tmp_path_factory.mktemp("runs") / "run"
    return directory, train(directory)


def weights(directory, seed=0):
    return (directory / f"seed-{seed}" / "model" / "model.safetensors").read_bytes()


def seed_file(directory, seed=0):
    return json.loads((directory / f"seed-{seed}" / "seed.json").read_text())


def history(directory, seed=0):
    with open(directory / f"seed-{seed}" / "history.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def files_under(directory):
    found = (path for path in directory.rglob("*") if path.is_file() and path.name != ".lock")
    return {path: path.stat().st_mtime_ns for path in found}


class Stop(Exception):
    pass


def stopping(fragment):
    """A report that breaks training off where a line holds ``fragment``."""

    def report(line):
        if fragment in line:
            raise Stop

    return report


# What a run leaves behind


def test_the_result_has_the_shape_that_scripts_rely_on(finished, small_corpus):
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


def test_the_epoch_is_the_one_best_on_validation(finished):
    directory, result = finished
    measured = [float(row["valid_weighted_f1"]) for row in history(directory)]
    assert len(measured) == 3
    epoch = result["seeds"][0]["epoch"]
    assert epoch == measured.index(max(measured))
    assert result["seeds"][0]["valid"]["weighted_f1"] == pytest.approx(max(measured), abs=1e-3)


def test_the_kept_predictions_give_the_scores_again(finished, small_corpus):
    directory, result = finished
    for split in ("valid", "test"):
        made = Predictions.load(directory / "seed-0" / f"predictions-{split}.parquet")
        assert scores_json(score(made), small_corpus.labels) == result["seeds"][0][split]
        said = [(c.id, u.id) for c in small_corpus.splits[split] for u in c.utterances]
        assert made.keys == said


def test_the_confusion_counts_every_known_utterance_of_test(finished, small_corpus):
    with open(finished[0] / "seed-0" / "confusion.csv", newline="") as file:
        head, *rows = csv.reader(file)
    assert head == ["gold", *small_corpus.labels] == ["gold", *(row[0] for row in rows)]
    known = sum(u.label is not None for c in small_corpus.splits["test"] for u in c.utterances)
    assert sum(int(cell) for row in rows for cell in row[1:]) == known


def test_nothing_of_training_is_left_in_a_finished_seed(finished):
    names = {path.name for path in (finished[0] / "seed-0").iterdir()}
    assert names == {
        "model", "history.csv", "predictions-valid.parquet", "predictions-test.parquet",
        "confusion.csv", "seed.json", "tensorboard",
    }  # fmt: skip


def test_the_model_tells_what_it_was_trained_on(finished, small_corpus):
    told = json.loads((finished[0] / "seed-0" / "model" / "training_data.json").read_text())
    assert told["corpus"] == "small"
    assert told["conversations"] == sorted(c.id for c in small_corpus.splits["train"])
    assert list(load_model(finished[0]).labels) == list(small_corpus.labels)


def test_the_same_seed_gives_the_same_run_and_another_seed_another(finished, train, tmp_path):
    directory, result = finished
    twice = train(tmp_path / "again", seeds=2)
    assert twice["seeds"][0] == result["seeds"][0]
    assert weights(tmp_path / "again") == weights(directory)
    assert weights(tmp_path / "again", 1) != weights(directory)
    mean = sum(seed["test"]["accuracy"] for seed in twice["seeds"]) / 2
    assert twice["summary"]["test"]["accuracy"]["mean"] == pytest.approx(mean, abs=1e-3)


# Going on


@pytest.mark.parametrize("training", VARIANTS, ids=["plain", "dropout and patience", "averaging"])
def test_a_run_broken_off_in_any_epoch_ends_as_an_undisturbed_one(train, tmp_path, training):
    train(tmp_path / "whole", **training)
    for epoch in range(1, len(history(tmp_path / "whole")) + 1):
        with pytest.raises(Stop):
            train(tmp_path / "broken", report=stopping(f"epoch {epoch}/"), resume=True, **training)
    train(tmp_path / "broken", resume=True, **training)
    assert history(tmp_path / "broken") == history(tmp_path / "whole")
    assert weights(tmp_path / "broken") == weights(tmp_path / "whole")
    assert seed_file(tmp_path / "broken") == seed_file(tmp_path / "whole")


@pytest.mark.parametrize("training", VARIANTS, ids=["plain", "dropout and patience", "averaging"])
def test_a_seed_whose_training_is_over_is_not_trained_on(
    tiny_recipe, small_corpus, tmp_path, training
):
    recipe = tiny_recipe(**training)

    def run(told):
        settings = {"seed": 0, "hardware": Hardware(), "report": told.append}
        return train_seed(recipe, small_corpus, tmp_path, **settings)

    told, told_again = [], []
    model, epoch = run(told)
    again, same_epoch = run(told_again)
    assert ("patience" in training) == (len(told) < recipe.training.epochs)
    assert told_again == []
    assert same_epoch == epoch
    state = again.state_dict()
    assert all(tensor.equal(state[name]) for name, tensor in model.state_dict().items())


@pytest.fixture
def on_disk(tmp_path, tiny_recipe, small_corpus):
    """Arguments of ``mmerc train`` for a recipe and corpus in files."""
    small_corpus.save(tmp_path / "corpus")

    def write(**training):
        value = tiny_recipe(**training).model_dump(mode="json")
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(value))
        command = [
            sys.executable,
            "-m",
            "mmerc",
            "train",
            "--no-cache",
            "--recipe",
            tmp_path / "own.yaml",
        ]
        return [*command, "--corpus", tmp_path / "corpus", "--out", tmp_path / "run"]

    return write


def wait_for_epochs(process, directory, count):
    """Wait until the state of an epoch is kept and ``count`` epochs are over."""
    until = time.monotonic() + 100
    while not (directory / "resume.safetensors").exists() or lines_of(directory) <= count:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "no epoch was finished in time"
        time.sleep(0.01)


def lines_of(directory):
    path = directory / "history.csv"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_a_run_that_is_stopped_and_then_killed_ends_as_an_undisturbed_one(on_disk, train, tmp_path):
    training = {"epochs": 40, "modality_dropout": 0.3, "patience": 39}
    command = on_disk(**training)
    seed = tmp_path / "run" / "seed-0"
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for_epochs(process, seed, 2)
        process.send_signal(signal.SIGTERM)
        told = process.communicate()[1].splitlines()[-1]
    assert process.returncode == 1
    assert told.startswith("mmerc: ")
    assert told.endswith("training was stopped; go on with --resume.")
    done = lines_of(seed)
    with subprocess.Popen([*command, "--resume"], stderr=subprocess.DEVNULL) as process:
        wait_for_epochs(process, seed, done + 1)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (seed / "seed.json").exists()
    result = train(tmp_path / "run", resume=True, **training)
    whole = train(tmp_path / "whole", **training)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")
    assert seed_file(tmp_path / "run") == seed_file(tmp_path / "whole")
    assert result == whole


def test_ctrl_c_is_told_in_one_sentence(train, tmp_path):
    def report(line):
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    try:
        with pytest.raises(MmercError, match="training was stopped; go on with --resume"):
            train(tmp_path / "run", report=report)
    finally:
        signal.signal(signal.SIGINT, before)


def test_finished_seeds_are_not_trained_again(train, tmp_path):
    train(tmp_path / "run", seeds=1)
    before = files_under(tmp_path / "run" / "seed-0")
    told = []
    result = train(tmp_path / "run", seeds=2, resume=True, report=told.append)
    assert files_under(tmp_path / "run" / "seed-0") == before
    assert told[0] == "seed 0: done before"
    assert [seed["seed"] for seed in result["seeds"]] == [0, 1]
    assert train(tmp_path / "run", seeds=2, resume=True) == result


def test_a_run_is_not_overwritten(finished, train):
    before = files_under(finished[0])
    with pytest.raises(InputError, match="holds a run already; pass --resume"):
        train(finished[0])
    with pytest.raises(InputError, match="was begun with another recipe; choose another --out"):
        train(finished[0], resume=True, epochs=4)
    assert files_under(finished[0]) == before


def test_another_corpus_is_not_gone_on_with(finished, tiny_recipe, small_corpus):
    other = replace(small_corpus, features={**small_corpus.features, "audio": louder(small_corpus)})
    before = files_under(finished[0])
    with pytest.raises(InputError, match="was begun with another fingerprints"):
        train_run(tiny_recipe(), other, finished[0], resume=True)
    with pytest.raises(InputError, match="was begun with another corpus"):
        train_run(tiny_recipe(), replace(small_corpus, name="big"), finished[0], resume=True)
    assert files_under(finished[0]) == before


def louder(corpus):
    table = corpus.features["audio"]
    rows = {
        key: row if row.vector is None else replace(row, vector=row.vector * 2)
        for key, row in table.rows.items()
    }
    return replace(table, rows=rows)


def test_a_second_process_is_refused(train, tmp_path):
    (tmp_path / "run").mkdir()
    with open(tmp_path / "run" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(MmercError, match="another process is training in this folder"):
            train(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    train(tmp_path / "run", epochs=1)


def test_a_folder_of_other_things_is_left_as_it_is(train, tmp_path):
    (tmp_path / "recipe.yaml").write_text("mine")
    with pytest.raises(InputError, match="holds other files, not a run of mmerc"):
        train(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["recipe.yaml"]


# Failing


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


def test_a_corpus_without_the_models_modalities_leaves_nothing_behind(
    tiny_recipe, small_corpus, tmp_path
):
    poor = replace(small_corpus, features={"text": small_corpus.features["text"]})
    with pytest.raises(MmercError, match="The corpus has no audio vectors"):
        train_run(tiny_recipe(), poor, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_loss_that_explodes_stops_training(train, tmp_path):
    with pytest.raises(MmercError, match=r"epoch 1, batch \d: the loss term .* not a finite"):
        train(tmp_path / "run", learning_rate=1e30)


def test_a_loss_that_is_no_number_is_named_and_the_state_is_kept(train, tmp_path, monkeypatch):
    train(tmp_path / "whole")
    calls = []

    def poisoned(self, logits, labels, kept=DfErc.emotion_loss):
        calls.append(self.training)
        bad = sum(calls) == 5  # three batches an epoch: the second of the second epoch
        return kept(self, logits, labels) * (float("nan") if bad else 1)

    with monkeypatch.context() as patch:
        patch.setattr(DfErc, "emotion_loss", poisoned)
        with pytest.raises(MmercError, match="epoch 2, batch 2: the loss term emotion is not"):
            train(tmp_path / "run")
    assert (tmp_path / "run" / "seed-0" / "resume.safetensors").exists()
    assert not (tmp_path / "run" / "seed-0" / "seed.json").exists()
    train(tmp_path / "run", resume=True)
    assert weights(tmp_path / "run") == weights(tmp_path / "whole")


@pytest.mark.parametrize("place", ["training.selection", "training.checkpoint", "models.base"])
@pytest.mark.parametrize("kind", [OSError(28, "No space left on device"), SafetensorError("full")])
def test_a_full_disk_is_told_and_nothing_is_half_written(train, tmp_path, monkeypatch, place, kind):
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


def test_two_processes_train_side_by_side_and_write_one_result(on_disk, tmp_path):
    more = ["--accelerator", "cpu", "--devices", "2", "--seeds", "2", "--json"]
    done = subprocess.run(
        [*on_disk(epochs=1), *more], capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)  # one result, not one a process or seed
    assert printed == json.loads((tmp_path / "run" / "result.json").read_text())
    assert [seed["seed"] for seed in printed["seeds"]] == [0, 1]
    assert "sync_dist" not in done.stderr
    assert done.stderr.count("test weighted F1") == 2
    assert set(load_model(tmp_path / "run").labels) == {"calm", "glad", "sad", "cross"}


# Parts


def factors(steps, **settings):
    config = TrainingConfig(**settings)
    module = SimpleNamespace(
        settings=config, trainer=SimpleNamespace(estimated_stepping_batches=steps)
    )
    return [TrainingModule.learning_rate_factor(module, step) for step in range(steps + 1)]


def test_the_learning_rate_warms_up_and_decays():
    assert factors(7, warmup_steps=3) == [0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
    assert factors(4, warmup_steps=0) == [1, 0.75, 0.5, 0.25, 0]
    assert factors(4, warmup_steps=1, schedule="constant") == [0.5, 1, 1, 1, 1]
    assert factors(2, warmup_steps=9) == pytest.approx([0.1, 0.2, 0.3])


@pytest.fixture(scope="module")
def reading_model(tiny_recipe, tiny_encoder, small_corpus):
    """A model with a text encoder of two layers."""
    config = tiny_recipe().model.model_copy(
        update={"text_encoder": TextEncoderConfig(name=str(tiny_encoder))}
    )
    widths = {name: table.spec.dim for name, table in small_corpus.features.items()}
    return create_model(config, labels=small_corpus.labels, widths=widths)


def test_every_parameter_has_its_rate_and_decay(reading_model):
    config = TrainingConfig(
        learning_rate=1e-2, encoder_learning_rate=8e-4, layer_decay=0.5, weight_decay=0.1
    )
    groups = parameter_groups(reading_model, config)
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert sum(len(group["params"]) for group in groups) == len(found)
    assert len(found) == len(list(reading_model.parameters()))
    for name, parameter in reading_model.named_parameters():
        rate, decay = found[id(parameter)]
        assert decay == (0.1 if parameter.ndim > 1 else 0), name
        if "bias" in name or "LayerNorm" in name:
            assert decay == 0, name
        if "text_encoder" not in name:
            expected = 1e-2
        elif "embeddings" in name:
            expected = 2e-4
        else:
            expected = 4e-4 if "layer.0." in name else 8e-4
        assert rate == pytest.approx(expected), name


def test_frozen_parameters_are_in_no_group(tiny_recipe, tiny_encoder, small_corpus):
    encoder = TextEncoderConfig(name=str(tiny_encoder), tuning="frozen")
    config = tiny_recipe().model.model_copy(update={"text_encoder": encoder})
    widths = {name: table.spec.dim for name, table in small_corpus.features.items()}
    model = create_model(config, labels=small_corpus.labels, widths=widths)
    groups = parameter_groups(model, TrainingConfig())
    grouped = {id(p) for group in groups for p in group["params"]}
    assert not grouped & {id(p) for p in model.text_encoder.parameters()}
    assert grouped


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9, 0.999])
def test_every_utterance_keeps_a_modality_that_it_had(make_batch, rate):
    batch = make_batch([3, 9, 30, 60], absent=0.3)
    torch.manual_seed(0)
    dropped = drop_modalities(batch, rate)
    had = torch.stack(list(batch.present.values()))
    kept = torch.stack([dropped.present[name] for name in batch.present])
    assert not (kept & ~had).any()
    assert kept.any(0).equal(had.any(0))
    if rate == 0:
        assert kept.equal(had)
    if rate == 0.3:
        assert 0.6 < kept.sum() / had.sum() < 0.85
    assert dropped.labels.equal(batch.labels)


def test_the_saved_corpus_trains_like_the_one_in_memory(finished, on_disk, tiny_recipe, tmp_path):
    on_disk()
    loaded = PreparedCorpus.load(tmp_path / "corpus")
    train_run(tiny_recipe(), loaded, tmp_path / "run", report=lambda line: None)
    assert weights(tmp_path / "run") == weights(finished[0])
    assert "LOCAL_RANK" not in os.environ
