"""Text vectors of encoders that were not trained on the labels of their input."""

import random
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, MmercError
from mmerc.prediction.text_encoding import encode_conversations, encode_text
from mmerc.training.hardware import Hardware
from mmerc.training.out_of_fold import encode_text_out_of_fold
from mmerc.training.recipe import Recipe
from mmerc.training.run import train_run
from mmerc.training.trainer import train_seed

FOLDS = 3


def silent(line):
    pass


@pytest.fixture(scope="module")
def corpus(small_corpus):
    return replace(small_corpus, features={})


@pytest.fixture(scope="module")
def run(tiny_encoder, corpus, tmp_path_factory):
    recipe = Recipe.model_validate(
        {
            "name": "own", "description": "A language model.",
            "model": {
                "name": "language-model", "modalities": ["text"],
                "text_encoder": {"name": str(tiny_encoder), "scope": "utterance"},
            },
            "training": {
                "epochs": 2, "batch_utterances": 9, "encoder_learning_rate": 0.01,
                "warmup_share": 0.1, "precision": "32-true", "seeds": 1,
            },
        }
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("runs") / "run"
    train_run(recipe, corpus, folder, report=silent)
    return folder, recipe


@pytest.fixture(scope="module")
def table(run, corpus, tmp_path_factory):
    work = tmp_path_factory.mktemp("folds") / "work"
    encoded = encode_text_out_of_fold(corpus, run[0], folds=FOLDS, work=work, report=silent)
    return encoded.features["text"]


def vectors(table, conversation):
    return [table.vector(conversation.id, u.id) for u in conversation.utterances]


def assert_equal_vectors(one, other):
    for own, expected in zip(one, other, strict=True):
        assert (own is None) == (expected is None)
        if own is not None:
            np.testing.assert_allclose(own, expected, rtol=1e-4, atol=1e-5)


def test_no_encoder_has_seen_the_label_of_its_vector(table, corpus):
    assert not any(row.saw_label for row in table.rows.values())
    assert table.spec.settings["folds"] == FOLDS
    texts = {
        (c.id, u.id): u.text
        for items in corpus.splits.values()
        for c in items
        for u in c.utterances
    }
    assert table.rows.keys() == texts.keys()
    assert all((table.rows[key].vector is None) == (not text) for key, text in texts.items())


def test_training_conversations_use_an_encoder_trained_without_them(run, table, corpus, tmp_path):
    """The slow way: an encoder of all training conversations outside one fold."""
    shuffled = list(corpus.splits["train"])
    random.Random(0).shuffle(shuffled)
    for number in (0, 2):
        held_out = shuffled[number::FOLDS]
        training = tuple(item for item in shuffled if item not in held_out)
        splits = {"train": training, "valid": corpus.splits["valid"]}
        trained = train_seed(
            run[1], replace(corpus, splits=splits), tmp_path / str(number),
            seed=0, hardware=Hardware(), report=silent,
        )  # fmt: skip
        encoder = trained.model.text_encoder
        for conversation, expected in encode_conversations(encoder, held_out, corpus.labels):
            assert_equal_vectors(vectors(table, conversation), expected)


def test_validation_and_test_use_the_encoder_of_the_run(run, table, corpus):
    usual = encode_text(corpus, run[0]).features["text"]
    for split in ("valid", "test"):
        for conversation in corpus.splits[split]:
            assert_equal_vectors(vectors(table, conversation), vectors(usual, conversation))
    pairs = [
        (own, other)
        for conversation in corpus.splits["train"]
        for own, other in zip(
            vectors(table, conversation), vectors(usual, conversation), strict=True
        )
        if own is not None
    ]
    assert all(not np.allclose(own, other, atol=1e-3) for own, other in pairs)


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM])
def test_stopped_command_resumes(run, table, corpus, tmp_path, program, stop):
    corpus.save(tmp_path / "corpus")
    command = [
        "encode-text", "--corpus", tmp_path / "corpus",
        "--model", run[0], "--folds", str(FOLDS), "--out", tmp_path / "out",
    ]  # fmt: skip
    work = tmp_path / "out.folds"
    process = program.start(*command)
    until = time.monotonic() + 200
    while not (work / "fold-0" / "encoded.safetensors").exists():
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(stop)
    assert process.wait() != 0
    assert not (tmp_path / "out").exists()
    done = program.run(*command)
    assert done.returncode == 0, done.stderr
    assert "fold-0: already encoded" in done.stderr
    assert not work.exists()
    again = PreparedCorpus.load(tmp_path / "out").features["text"]
    assert again.content_fingerprint == table.content_fingerprint
    assert "the encoder was trained on the labels of 0 of them" in done.stdout


def test_invalid_input_is_refused(run, corpus, finished, tmp_path):
    def encode(source=run[0], on=corpus, **settings):
        values = {"folds": FOLDS, "work": tmp_path / "work", "report": silent} | settings
        with pytest.raises(MmercError) as caught:
            encode_text_out_of_fold(on, source, **values)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    assert "its model has no text encoder" in encode(finished[0])
    assert "not a run" in encode(run[0] / "seed-0" / "model")
    other = {"train": corpus.splits["train"][1:], "valid": corpus.splits["valid"]}
    assert "was not trained on the conversations" in encode(on=replace(corpus, splits=other))
    assert "cannot make 7 folds" in encode(folds=7)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "folds.json").write_text("{}")
    assert "contains folds of another recipe, corpus or number" in encode()
    with pytest.raises(InputError):
        encode_text_out_of_fold(tmp_path / "none", run[0], folds=2, work=tmp_path / "other")
