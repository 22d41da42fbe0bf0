"""LoRA on the user's labels: only adapters change, and the folder predicts the same."""

import json

import numpy as np
import pytest

from mmerc.corpora.manifest import read_unlabelled_manifest
from mmerc.errors import UsageError
from mmerc.evaluation import logit_adaptation
from mmerc.models.registry import load_model
from mmerc.prediction.utterance_predictions import predict
from mmerc.training import adapt, lora_refit
from mmerc.training.adapt import adapt_model


@pytest.fixture
def folder(make_model, tmp_path, monkeypatch):
    """A random text model with adapters, and labels determined by the words."""
    monkeypatch.setattr(lora_refit, "_LEARNING_RATE", 0.02)
    model = make_model("text-only", tokens=True, widths={}, encoder={"tuning": "lora"})
    model.eval().save_pretrained(tmp_path / "model", card="# The original\n")
    names = list(model.labels)
    conversations = [
        {"id": f"c{c}", "utterances": [
            {"id": str(u), "speaker": "Ann", "text": ("they went red", "no never")[(u + c) % 2],
             **({"label": names[(u + c) % 2].upper()} if u else {})} for u in range(6)
        ]} for c in range(6)
    ]  # fmt: skip
    text = "".join(json.dumps(item) + "\n" for item in conversations)
    (tmp_path / "labels.jsonl").write_text(text)
    return tmp_path


def probabilities(source, path):
    answers = predict(load_model(source), read_unlabelled_manifest(path).conversations)
    return np.array([list(answer.probabilities.values()) for answer in answers])


def test_adapters_are_trained_and_saved(folder, monkeypatch):
    # With so few words, a new last layer would work equally well.
    monkeypatch.setattr(logit_adaptation, "_CANDIDATES", [("unchanged", 0.0, 0.0)])
    path = folder / "labels.jsonl"
    outcome = adapt_model(folder / "model", [path], folder / "out", lora=True)
    assert (outcome.map.kind, outcome.labels, outcome.better) == ("LoRA", 30, True)
    assert outcome.gain > 0.2 and outcome.accuracy[1] > outcome.accuracy[0]
    (remark,) = outcome.remarks
    assert "is used" in remark and "nats per utterance over the unchanged model" in remark
    before, after = load_model(folder / "model"), load_model(folder / "out")
    changed = {
        name for name, value in after.state_dict().items()
        if not np.array_equal(value.numpy(), before.state_dict()[name].numpy())
    }  # fmt: skip
    assert changed and all("lora_" in name for name in changed)
    one, other = (
        probabilities(folder / name, path)[:, :2].sum(axis=1) for name in ("model", "out")
    )
    assert (other > one + 0.1).all()  # only two of the labels occur
    assert "Adapted by its LoRA to 30 labels" in (folder / "out" / "README.md").read_text()
    assert sorted(p.name for p in (folder / "out").iterdir()) == sorted(
        [p.name for p in (folder / "model").iterdir()] + ["prediction_sets.json"]
    )


def test_adapters_without_a_gain_are_not_used(folder, monkeypatch):
    monkeypatch.setattr(lora_refit, "_EPOCHS", 0)
    outcome = adapt_model(
        folder / "model", [folder / "labels.jsonl"], folder / "out", lora=True, sets=True
    )
    assert outcome.map.kind != "LoRA" and "is not used" in outcome.remarks[0]
    (one, other) = (folder / name / "model.safetensors" for name in ("model", "out"))
    assert one.read_bytes() == other.read_bytes()


def test_models_without_adapters_and_samples_are_refused(folder, make_model):
    make_model("text-only", tokens=True, widths={}).save_pretrained(folder / "full")
    with pytest.raises(UsageError, match="LoRA adapters"):
        adapt_model(folder / "full", [folder / "labels.jsonl"], folder / "out", lora=True)
    with pytest.raises(UsageError, match="leave --predictions out"):
        adapt.adapt_model(folder / "model", [], folder / "out", predictions="p", lora=True)
