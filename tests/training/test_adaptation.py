"""A model adapted to labels: a folder that loads like any other."""

import json

import numpy as np
import pytest
import torch

from mmerc.corpora.manifest import read_unlabelled_manifest
from mmerc.data.preparation import published_tables
from mmerc.errors import InputError
from mmerc.inference.formats import PREDICTION_FORMATS
from mmerc.models.registry import load_model
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_predictions import predict
from mmerc.training.adapt import adapt_model
from mmerc.training.own_labels import _collect_labels as collect_labels
from mmerc.training.own_labels import adapt_to_own_labels


def predictions(model, path):
    manifest = read_unlabelled_manifest(path)
    splits = {"test": manifest.conversations}
    tables = published_tables(path.stem, splits, manifest.features)
    return predict(model, manifest.conversations, tables)


@pytest.fixture
def folder(make_model, widths, tmp_path):
    """A random model, and a manifest with the model's labels after swapping two."""
    model = make_model("df-erc")
    model.eval().save_pretrained(tmp_path / "model", card="# The original\n")
    numbers = np.random.default_rng(0)
    conversations = [
        {"id": f"c{c}", "utterances": [
            {"id": str(u), "speaker": "Ann", "text": "Yes.", "features": {
                m: (3 * numbers.normal(size=width)).round(3).tolist() for m, width in widths.items()
            }} for u in range(8)
        ]} for c in range(15)
    ]  # fmt: skip
    path = tmp_path / "labels.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in conversations))
    answers = predictions(load_model(tmp_path / "model"), path)
    names = list(load_model(tmp_path / "model").labels)
    rank = {name: place for place, name in enumerate(names)}
    labels = [names[(rank[answer.label] + 1) % len(names)] for answer in answers]
    for place, label in enumerate(labels):
        conversations[place // 8]["utterances"][place % 8]["label"] = label
    path.write_text("".join(json.dumps(item) + "\n" for item in conversations))
    return tmp_path


def test_adapted_model_loads_and_predicts_the_new_labels(folder):
    outcome = adapt_model(folder / "model", [folder / "labels.jsonl"], folder / "out")
    assert outcome.better and outcome.labels == 120 and outcome.conversations == 15
    assert outcome.accuracy[1] > outcome.accuracy[0]
    adapted, original = load_model(folder / "out"), load_model(folder / "model")
    assert adapted.adaptation is not None and original.adaptation is None
    before = predictions(original, folder / "labels.jsonl")
    after = predictions(adapted, folder / "labels.jsonl")
    logs = np.log([[max(p, 1e-6) for p in item.probabilities.values()] for item in before])
    expected = np.exp(outcome.map.apply(logs))
    actual = np.array([list(item.probabilities.values()) for item in after])
    assert actual == pytest.approx(expected, abs=1e-4)
    card = (folder / "out" / "README.md").read_text()
    assert "120 labels of 15 conversations (labels.jsonl)" in card
    assert "# The original" in card
    adapted.save_pretrained(folder / "again")
    logits = torch.randn(5, len(adapted.labels))
    assert torch.allclose(load_model(folder / "again").calibrate(logits), adapted.calibrate(logits))
    sets = adapted.set_scores.by_modalities["any"]
    assert sets.every.count == 120 and sum(grid.count for grid in sets.by_label) == 120
    assert adapted.set_scores.source == "120 labels of 15 conversations (labels.jsonl)"
    assert "up to 99.2 %" in card
    with pytest.raises(InputError, match="was adapted before"):
        adapt_model(folder / "out", [folder / "labels.jsonl"], folder / "twice")


def test_sets_are_calibrated_even_if_the_refit_does_not_help(folder):
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    names = list(load_model(folder / "model").labels)
    numbers = np.random.default_rng(0)
    answers = iter(predictions(load_model(folder / "model"), folder / "labels.jsonl"))
    for line in lines[:4]:
        for utterance in line["utterances"]:
            p = np.array(list(next(answers).probabilities.values()))
            utterance["label"] = str(numbers.choice(names, p=p / p.sum()))
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in lines[:4]))
    outcome = adapt_model(folder / "model", [path], folder / "sets", sets=True)
    assert not outcome.better
    model = load_model(folder / "sets")
    assert model.adaptation is None and model.set_scores.find(["text"]).every.count == 32
    assert "The model itself is unchanged" in (folder / "sets" / "README.md").read_text()
    (weights, same) = (folder / name / "model.safetensors" for name in ("model", "sets"))
    assert weights.read_bytes() == same.read_bytes()


def test_corrected_analysis_has_the_needed_probabilities(folder):
    rows = PREDICTION_FORMATS["jsonl"](
        predictions(load_model(folder / "model"), folder / "labels.jsonl")
    )
    lines = [json.loads(line) for line in rows.splitlines()]
    manifest = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    gold = [utterance["label"] for item in manifest for utterance in item["utterances"]]
    corrected = [line | {"label": label, "predicted_label": line["label"]}
                 for line, label in zip(lines, gold, strict=True)]  # fmt: skip
    (folder / "c.jsonl").write_text("".join(json.dumps(line) + "\n" for line in corrected))
    one = adapt_model(folder / "model", [folder / "c.jsonl"], folder / "one")
    other = adapt_model(folder / "model", [folder / "labels.jsonl"], folder / "other")
    assert one.gain == pytest.approx(other.gain, abs=1e-6)
    (folder / "own.jsonl").write_text(rows)
    with pytest.raises(InputError, match="its labels are the model's own"):
        adapt_model(folder / "model", [folder / "own.jsonl"], folder / "x")


def test_no_gain_writes_no_model(folder):
    manifest = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    numbers, names = np.random.default_rng(1), list(load_model(folder / "model").labels)
    answers = predictions(load_model(folder / "model"), folder / "labels.jsonl")
    for place, answer in enumerate(answers):
        p = np.array(list(answer.probabilities.values()))
        utterance = manifest[place // 8]["utterances"][place % 8]
        utterance["label"] = names[numbers.choice(len(p), p=p / p.sum())]
    (folder / "l.jsonl").write_text("".join(json.dumps(item) + "\n" for item in manifest))
    outcome = adapt_model(folder / "model", [folder / "l.jsonl"], folder / "out")
    assert not outcome.better
    assert not (folder / "out").exists()


def test_labels_outside_the_set_and_an_existing_folder_are_refused(folder):
    (folder / "out").mkdir()
    (folder / "out" / "x").touch()
    with pytest.raises(InputError, match="exists already"):
        adapt_model(folder / "model", [folder / "labels.jsonl"], folder / "out")
    text = (folder / "labels.jsonl").read_text()
    label = json.loads(text.splitlines()[0])["utterances"][0]["label"]
    (folder / "labels.jsonl").write_text(text.replace(f'"{label}"', '"bored"'))
    with pytest.raises(InputError, match="the model has no label 'bored'"):
        adapt_model(folder / "model", [folder / "labels.jsonl"], folder / "new")


def test_damaged_adaptation_is_refused(folder):
    adapt_model(folder / "model", [folder / "labels.jsonl"], folder / "out")
    config = json.loads((folder / "out" / "config.json").read_text())
    config["adaptation"]["bias"] = [1.0]
    (folder / "out" / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="an adaptation that does not fit the labels"):
        load_model(folder / "out")


def test_labels_of_a_sample_equal_labels_of_a_manifest(folder):
    manifest = [json.loads(line) for line in (folder / "labels.jsonl").open()]
    gold = {(c["id"], u["id"]): u["label"] for c in manifest for u in c["utterances"]}
    answers = predictions(load_model(folder / "model"), folder / "labels.jsonl")
    (folder / "p.jsonl").write_text(PREDICTION_FORMATS["jsonl"](answers))
    lines = ["conversation,id,label,strategy"]
    lines += [f"{c},{u},{gold[c, u]},random" for c, u in gold if u != "7"]
    (folder / "sample.csv").write_text("\n".join([*lines, "c0,7,,random"]) + "\n")
    outcome = adapt_model(
        folder / "model", [folder / "sample.csv"], folder / "out", predictions=folder / "p.jsonl"
    )
    for conversation in manifest:
        del conversation["utterances"][7]["label"]
    (folder / "labels.jsonl").write_text("".join(json.dumps(item) + "\n" for item in manifest))
    expected = adapt_model(folder / "model", [folder / "labels.jsonl"], folder / "other")
    assert (outcome.labels, outcome.conversations) == (105, 15)
    assert outcome.better and outcome.map.kind == expected.map.kind
    assert outcome.gain == pytest.approx(expected.gain, abs=1e-3)


@pytest.fixture
def own(folder):
    """A manifest with custom labels: which of two labels the model prefers."""
    lines = [json.loads(line) for line in (folder / "labels.jsonl").read_text().splitlines()]
    answers = predictions(load_model(folder / "model"), folder / "labels.jsonl")
    shares = np.array([list(item.probabilities.values()) for item in answers])
    ratios = np.log(shares[:, 0] / shares[:, 1])
    labels = iter("warm" if ratio > np.median(ratios) else "cold" for ratio in ratios)
    for line in lines:
        for utterance in line["utterances"]:
            utterance["label"] = next(labels)
    path = folder / "own.jsonl"
    path.write_text("".join(json.dumps(item) + "\n" for item in lines))
    return path


def test_model_can_use_custom_labels(folder, own):
    outcome = adapt_to_own_labels(folder / "model", [own], folder / "out")
    assert outcome.better and outcome.accuracy[1] > outcome.accuracy[0]
    model = load_model(folder / "out")
    assert model.labels.names == ("cold", "warm")
    sets = SetRequest(level=0.8)
    manifest = read_unlabelled_manifest(own)
    tables = published_tables("own", {"test": manifest.conversations}, manifest.features)
    rows = predict(model, manifest.conversations, tables, sets=sets)
    gold = [
        utterance["label"]
        for line in own.read_text().splitlines()
        for utterance in json.loads(line)["utterances"]
    ]
    right = np.mean([item.label == label for item, label in zip(rows, gold, strict=True)])
    assert 100 * right >= outcome.accuracy[1] - 5
    assert np.mean([k in item.emotions for item, k in zip(rows, gold, strict=True)]) >= 0.75
    model.save_pretrained(folder / "again")
    again = load_model(folder / "again")
    assert again.labels == model.labels and again.trained_labels == model.trained_labels
    assert predict(again, manifest.conversations, tables, sets=sets) == rows
    card = (folder / "out" / "README.md").read_text()
    assert "Predicts cold, warm" in card and "# The original" in card
    with pytest.raises(InputError, match="was adapted before"):
        adapt_to_own_labels(folder / "out", [own], folder / "twice")


def test_custom_labels_ignore_case(own):
    own.write_text(own.read_text().replace('"label": "cold"', '"label": "Cold"', 5))
    assert collect_labels([own]).names == ("cold", "warm")


def test_labels_of_two_raters_are_refused(folder, own):
    text = own.read_text().replace('"label": "cold"', '"label": "cold", "rater": "Ann"', 5)
    own.write_text(text)
    with pytest.raises(InputError, match=r"labels of 2 raters .*; leave the labels of one"):
        adapt_to_own_labels(folder / "model", [own], folder / "out")


def test_typo_in_custom_labels_is_detected(folder, own):
    own.write_text(own.read_text().replace('"label": "cold"', '"label": "clod"', 1))
    with pytest.raises(InputError, match="'clod' labels fewer than 3 utterances; correct it"):
        adapt_to_own_labels(folder / "model", [own], folder / "out")
    with pytest.raises(InputError, match="or pass --own-labels"):
        adapt_model(folder / "model", [own], folder / "out")
    assert not (folder / "out").exists()
