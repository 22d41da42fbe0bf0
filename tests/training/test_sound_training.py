"""Training from waveforms and tokens, from the command line to predictions."""

import copy
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
import yaml
from run_files import history, seed_file, weights
from typer.testing import CliRunner

from mmerc.cli.app import app
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import add_corpus_sounds, conversation_sounds
from mmerc.errors import InputError, UsageError
from mmerc.models.registry import load_model
from mmerc.prediction.utterance_predictions import predict
from mmerc.training.evaluate import evaluate
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe
from mmerc.training.recipe_files import load_recipe, recipe_names
from mmerc.training.run import train_run


@pytest.fixture(scope="module")
def media(tmp_path_factory, small_corpus):
    """Audio of the small corpus's utterances, one missing and one too short."""
    folder = tmp_path_factory.mktemp("media")
    numbers = np.random.default_rng(0)
    utterances = [u for group in small_corpus.splits.values() for c in group for u in c.utterances]
    for place, utterance in enumerate(utterances):
        seconds = 0.005 if place == 3 else 0.1 + 0.2 * numbers.random()
        if place != 5:
            noise = 0.1 * numbers.normal(size=int(16_000 * seconds))
            soundfile.write(folder / f"{utterance.id}.wav", noise, 16_000)
    return folder


@pytest.fixture(scope="module")
def corpus(small_corpus, media):
    """The small corpus with media paths."""
    splits = {
        split: tuple(
            replace(c, utterances=tuple(replace(u, media=f"{u.id}.wav") for u in c.utterances))
            for c in group
        )
        for split, group in small_corpus.splits.items()
    }
    return replace(small_corpus, splits=splits)


@pytest.fixture(scope="module")
def make_recipe(tiny_encoder, tiny_speech_encoder):
    def make(model="dq-former", **training):
        settings = {
            "name": model,
            "modalities": ["text", "audio"],
            "text_encoder": {"name": str(tiny_encoder), "speaker_prefix": True},
            "speech_encoder": {"name": str(tiny_speech_encoder)},
            "width": 32,
            "fusion_layers": 2,
        }
        value = {"epochs": 3, "batch_utterances": 4, "utterances_per_epoch": 12, "upsampling": 0.5}
        value |= {"learning_rate": 0.003, "encoder_learning_rate": 0.001, "warmup_steps": 2}
        value |= {"precision": "32-true", "seeds": 1} | training
        recipe = {"name": "tiny", "description": "x", "model": settings, "training": value}
        return Recipe.model_validate(copy.deepcopy(recipe))

    return make


@pytest.fixture(scope="module")
def finished(tmp_path_factory, make_recipe, corpus, media):
    directory = tmp_path_factory.mktemp("runs") / "run"
    message = []
    heard = add_corpus_sounds(corpus, media)
    return directory, train_run(make_recipe(), heard, directory, report=message.append), message


def test_run_on_waveforms(finished):
    directory, result, message = finished
    assert message[0] == "warning: 1 sound files are missing; their utterances have no sound"
    assert len(history(directory)) == 3
    assert set(result["fingerprints"]) == {"conversations", "text", "audio", "video", "sounds"}
    columns = history(directory)[0]
    assert {"train_emotion", "train_emotion_text", "train_emotion_audio"} <= columns.keys()


class Stop(Exception):
    pass


def test_interrupted_run_equals_an_uninterrupted_one(
    finished, make_recipe, corpus, media, tmp_path
):
    def report(line):
        if "epoch 2/" in line:
            raise Stop

    heard = add_corpus_sounds(corpus, media)
    with pytest.raises(Stop):
        train_run(make_recipe(), heard, tmp_path / "run", report=report)
    train_run(make_recipe(), heard, tmp_path / "run", resume=True, report=lambda line: None)
    assert history(tmp_path / "run") == history(finished[0])
    assert weights(tmp_path / "run") == weights(finished[0])
    assert seed_file(tmp_path / "run") == seed_file(finished[0])


def test_run_from_an_earlier_version_continues(make_recipe, corpus, media, tmp_path):
    heard = add_corpus_sounds(corpus, media)
    recipe = make_recipe(epochs=1, upsampling=0.0)
    first = train_run(recipe, heard, tmp_path / "run", report=lambda line: None)
    path = tmp_path / "run" / "run.json"
    value = json.loads(path.read_text())
    del value["recipe"]["training"]["upsampling"]
    path.write_text(json.dumps(value))
    again = train_run(recipe, heard, tmp_path / "run", resume=True, report=lambda line: None)
    assert again == first
    value["recipe"]["training"]["upsampling"] = 0.3
    path.write_text(json.dumps(value))
    with pytest.raises(InputError, match="was started with another recipe"):
        train_run(recipe, heard, tmp_path / "run", resume=True, report=lambda line: None)


def test_changed_audio_changes_the_corpus_fingerprint(corpus, media, tmp_path):
    heard = add_corpus_sounds(corpus, media)
    for file in media.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    moved = add_corpus_sounds(corpus, tmp_path)
    assert moved.fingerprints == heard.fingerprints
    next(tmp_path.iterdir()).write_bytes(b"")
    assert add_corpus_sounds(corpus, tmp_path).fingerprints != heard.fingerprints


def test_audio_is_not_saved_with_the_corpus(corpus, media, tmp_path):
    add_corpus_sounds(corpus, media).save(tmp_path / "corpus")
    assert PreparedCorpus.load(tmp_path / "corpus").fingerprints == corpus.fingerprints


def test_media_must_be_named(make_recipe, corpus, finished, tmp_path):
    with pytest.raises(UsageError, match=r"The model reads sound, .* with --media"):
        train_run(make_recipe(), corpus, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(UsageError, match=r"The model reads sound, .* with --media"):
        evaluate(finished[0], corpus)
    with pytest.raises(InputError, match="not a folder; name the folder of the media"):
        add_corpus_sounds(corpus, tmp_path / "nothing")
    with pytest.raises(InputError, match=r"no such file, and none of the other \d+ sounds"):
        train_run(make_recipe(), add_corpus_sounds(corpus, tmp_path), tmp_path / "run")


def test_predictions_equal_those_of_the_run(finished, corpus, media):
    directory, result, _ = finished
    evaluated = evaluate(directory, corpus, media=media)
    assert evaluated["seeds"][0]["test"] == result["seeds"][0]["test"]


def test_predictions_report_layer_weights(finished, corpus, media):
    model = load_model(finished[0])
    conversations = corpus.splits["train"][:2]
    sounds = conversation_sounds(conversations, media)
    actual = predict(model, conversations, {}, sounds)
    assert len(actual) == sum(map(len, conversations))
    for item in actual:
        assert item.layer_weights.keys() == {"text.1", "text.2", "audio.1", "audio.2"}
        for m in ("text", "audio"):
            layers = [item.layer_weights[f"{m}.{layer}"] for layer in (1, 2)]
            if item.weights[m] is None:
                assert layers == [None, None]
            else:
                assert item.weights[m] == pytest.approx(sum(layers) / 2, abs=1e-5)
    deaf = predict(model, conversations, {})
    assert all(item.weights["audio"] is None for item in deaf)


def test_full_workflow_on_the_command_line(corpus, media, make_recipe, tmp_path):
    corpus.save(tmp_path / "corpus")
    value = make_recipe(epochs=1).model_dump(mode="json")
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(value))

    def mmerc(*arguments):
        outcome = CliRunner().invoke(app, [str(a) for a in arguments], catch_exceptions=False)
        assert outcome.exit_code == 0, outcome.output
        return outcome.stdout

    place = ("--corpus", tmp_path / "corpus", "--media", media)
    mmerc("train", "--recipe", tmp_path / "own.yaml", *place, "--out", tmp_path / "run", "--quiet")
    shown = json.loads(mmerc("evaluate", tmp_path / "run", *place, "--json"))
    assert 0 <= shown["summary"]["test"]["accuracy"]["mean"] <= 100
    first = corpus.splits["test"][0]
    line = {
        "id": "talk",
        "utterances": [{"id": u.id, "text": u.text, "media": u.media} for u in first.utterances],
    }
    (tmp_path / "talk.jsonl").write_text(json.dumps(line))
    message = mmerc(
        "predict", tmp_path / "talk.jsonl", "--model", tmp_path / "run", "--media", media,
        "--format", "csv",
    )  # fmt: skip
    rows = message.splitlines()
    assert len(rows) == 1 + len(first)
    assert "layer_weights.audio.2" in rows[0]


PAIRS = [name for name in recipe_names() if name.startswith(("dq-former", "sa-", "mult-", "mbt-"))]


@pytest.mark.parametrize("name", PAIRS)
def test_sound_recipes_load(name):
    recipe = load_recipe(name)
    assert recipe.model.speech is not None
    assert recipe.training.batch_utterances == 8
    assert recipe.training.warmup_share == 0.01


def test_comparison_differs_only_in_the_model():
    names = [f"{m}-composed" for m in ("sa", "mult", "mbt", "text-only", "audio-only")]
    first = load_recipe("dq-former-composed")
    assert not first.model.history_states
    for recipe in map(load_recipe, names):
        assert recipe.training == first.training
        assert (recipe.model.history, recipe.model.speech_encoder) in (
            (5, first.model.speech_encoder),
            (5, None),
        )
        if "text" in recipe.model.modalities:
            assert recipe.model.text_encoder == first.model.text_encoder
            assert not recipe.model.history_states


@pytest.mark.parametrize(("can", "precision"), [(True, "bf16-mixed"), (False, "32-true")])
def test_audio_uses_half_precision_if_the_cpu_supports_it(can, precision, monkeypatch):
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: can)
    chosen = Hardware(accelerator="cpu").precision(load_recipe("audio-only-composed"))
    assert chosen == precision


def test_recipes_have_the_papers_numbers():
    recipe = load_recipe("dq-former-meld")
    model, training = recipe.model, recipe.training
    assert (model.width, model.fusion_layers, model.queries, model.threshold) == (768, 4, 16, 0.1)
    assert (model.attention_heads, model.history, model.alone_weight) == (8, 5, 1.0)
    assert model.history_states
    assert training.learning_rate == training.encoder_learning_rate == 1e-5
    assert training.utterances_per_epoch == 100 * training.batch_utterances
    assert (training.patience, training.seeds) == (7, 3)
    large = load_recipe("dq-former-meld-large").model
    assert (large.width, large.gradient_checkpointing) == (1024, True)


def test_same_seed_same_weights(make_sound_model):
    one, same = (make_sound_model("dq-former", seed=3).state_dict() for _ in range(2))
    assert all(torch.equal(one[key], same[key]) for key in one)
