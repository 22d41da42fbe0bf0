"""Recordings levelled to the training data, for any model."""

import numpy as np
import pytest
import torch

from mmerc.conversation import Conversation, Utterance
from mmerc.data.batches import batch_loader
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.inference.levelling import choose_levelling, level_table, measure_distance
from mmerc.models.embedded_models import FORMER_MODEL
from mmerc.models.registry import load_model
from mmerc.nn.levelling import LevellingConfig, level_vectors
from mmerc.prediction.run_model import build_model_examples, run_model


@pytest.fixture(scope="module")
def model():
    return load_model(FORMER_MODEL)  # trained on vectors that were not levelled


@pytest.fixture
def table(model):
    """Audio three deviations away from the training data; utterance 2 has no audio."""
    mean, deviation = (values.numpy() for values in model.inputs.statistics("audio"))
    scores = np.random.default_rng(0).normal(3.0, 1.0, size=(6, len(mean)))
    rows = [
        FeatureRow(
            conversation="film",
            utterance=str(number),
            vector=None if number == 2 else (mean + score * deviation).astype("float32"),
            absent_because="silence" if number == 2 else None,
        )
        for number, score in enumerate(scores)
    ]
    return FeatureTable.of(FeatureSpec(modality="audio", extractor="is10", dim=len(mean)), rows)


SPEAKERS = {"0": "Mara", "1": "Tom", "2": "Tom", "3": "Mara", "4": "Tom", "5": "Mara"}


def test_distance_is_in_deviations_of_the_training_data(model, table):
    assert measure_distance(model, "audio", table) == pytest.approx(3.0, abs=0.1)
    empty = FeatureTable.of(table.spec, [table.rows["film", "2"]])
    assert measure_distance(model, "audio", empty) == 0.0
    assert level_table(model, "audio", empty, SPEAKERS, LevellingConfig()) == empty


def test_levelled_table_keeps_absences_and_has_the_training_scale(model, table):
    levelled = level_table(model, "audio", table, SPEAKERS, LevellingConfig())
    assert levelled.rows["film", "2"] == table.rows["film", "2"]
    own = [number for number in range(6) if number != 2]
    vectors = torch.from_numpy(np.stack([table.vector("film", str(n)) for n in own]))
    scores = level_vectors(
        model.inputs.standardise(vectors, "audio")[None],
        torch.ones(1, 5, dtype=torch.bool),
        torch.tensor([[0, 1, 0, 1, 0]]),
        LevellingConfig(),
        "audio",
    )[0]
    moved = torch.from_numpy(np.stack([levelled.vector("film", str(n)) for n in own]))
    torch.testing.assert_close(model.inputs.standardise(moved, "audio"), scores)
    assert float(scores.mean()) < 2.7  # towards the training data


def test_levelling_in_the_model_equals_levelled_input(model, table):
    utterances = tuple(Utterance(id=i, speaker=name, text="Well.") for i, name in SPEAKERS.items())
    conversation = [Conversation(id="film", utterances=utterances)]
    levelled = {"audio": level_table(model, "audio", table, SPEAKERS, LevellingConfig())}
    given = run_model(model, build_model_examples(model, conversation, levelled))
    itself = model.with_levelling(choose_levelling(model))
    examples = build_model_examples(model, conversation, {"audio": table})
    inside = run_model(itself, examples, effects=True)
    torch.testing.assert_close(inside.probabilities, given.probabilities, atol=1e-4, rtol=1e-3)
    assert model.inputs.levelling is None  # the original is unchanged


def test_context_effect_is_measured_alone(model, table):
    """Without context an utterance is still compared with its speaker's typical voice."""
    utterances = tuple(Utterance(id=i, speaker=name, text="Well.") for i, name in SPEAKERS.items())
    conversation = [Conversation(id="film", utterances=utterances)]
    levelled = {"audio": level_table(model, "audio", table, SPEAKERS, LevellingConfig())}
    expected = run_model(model, build_model_examples(model, conversation, levelled), effects=True)
    itself = model.with_levelling(LevellingConfig())
    examples = build_model_examples(model, conversation, {"audio": table})
    actual = run_model(itself, examples, effects=True)
    torch.testing.assert_close(actual.context_effect, expected.context_effect, atol=1e-4, rtol=1e-2)


def test_modalities_that_nothing_has_are_left_unlevelled(model, table):
    utterances = tuple(Utterance(id=i, speaker=name, text="Well.") for i, name in SPEAKERS.items())
    conversation = [Conversation(id="film", utterances=utterances)]
    itself = model.with_levelling(LevellingConfig())
    examples = build_model_examples(model, conversation, {"audio": table})
    examples[0].features["video"].fill_(torch.nan)
    each_time, once = (run_model(itself, examples, effects=effects) for effects in (False, True))
    assert once.probabilities.isfinite().all()
    torch.testing.assert_close(once.probabilities, each_time.probabilities, atol=1e-5, rtol=1e-4)
    (batch,) = batch_loader(examples, tokenizer=model.tokenizer, size=1, shuffle=False)
    levelled = itself.level_conversations(batch)[1].features
    assert levelled["video"] is batch.features["video"]
    assert not torch.equal(levelled["audio"], batch.features["audio"])
