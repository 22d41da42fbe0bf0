"""Training on vectors from a network that was trained on their labels."""

from dataclasses import replace

import pytest
import torch

from mmerc.features.store import FeatureTable
from mmerc.training.module import _mix_vectors
from mmerc.training.run import train_run


@pytest.fixture
def seen_corpus(small_corpus):
    table = small_corpus.features["audio"]
    rows = [replace(row, saw_label=row.vector is not None) for row in table.rows.values()]
    seen = FeatureTable.of(table.spec, rows)
    return replace(small_corpus, features={**small_corpus.features, "audio": seen})


def test_run_warns_of_optimistic_validation(tmp_path, tiny_recipe, seen_corpus):
    lines = []
    train_run(tiny_recipe(epochs=1), seen_corpus, tmp_path / "run", report=lines.append)
    (warning,) = [line for line in lines if line.startswith("warning")]
    valid = {conversation.id for conversation in seen_corpus.splits["valid"]}
    rows = seen_corpus.features["audio"].rows.values()
    count = sum(row.saw_label and row.conversation in valid for row in rows)
    assert warning.startswith(f"warning: {count} audio vectors of validation")


def test_run_without_seen_labels_does_not_warn(tmp_path, tiny_recipe, small_corpus):
    lines = []
    train_run(tiny_recipe(epochs=1), small_corpus, tmp_path / "run", report=lines.append)
    assert not [line for line in lines if "warning" in line]


def test_mixing_adds_a_share_of_another_present_vector(make_batch):
    batch = make_batch([4, 7, 2])
    torch.manual_seed(0)
    mixed = _mix_vectors(batch, {"audio": 0.4})
    present = batch.present["audio"]
    before, after = batch.features["audio"][present], mixed.features["audio"][present]
    added = (after - 0.6 * before) / 0.4
    for vector in added:  # each is one of the batch's vectors, and all are used once
        assert (before - vector).abs().amax(-1).min() < 1e-5
    assert torch.allclose(added.sum(0), before.sum(0), atol=1e-4)
    assert torch.equal(mixed.features["audio"][~present], batch.features["audio"][~present])
    assert torch.equal(mixed.features["text"], batch.features["text"])


def test_missing_modality_is_skipped(make_batch):
    batch = make_batch([3])
    fewer = batch.with_features({"text": batch.features["text"]})
    mixed = _mix_vectors(fewer, {"audio": 0.5})
    assert torch.equal(mixed.features["text"], batch.features["text"])


def test_zero_share_does_not_change_the_batch(make_batch):
    batch = make_batch([3])
    assert _mix_vectors(batch, {}) is batch


def test_every_epoch_validates_on_the_same_mixtures(tmp_path, tiny_recipe, small_corpus):
    """With a learning rate of 0 the scores of two epochs are equal, including the mixtures."""
    recipe = tiny_recipe(epochs=2, learning_rate=1e-12, vector_mixing={"audio": 0.5})
    train_run(recipe, small_corpus, tmp_path / "run", report=lambda line: None)
    history = (tmp_path / "run/seed-0/history.csv").read_text().splitlines()
    column = history[0].split(",").index("valid_weighted_f1")
    first, second = (line.split(",")[column] for line in history[1:])
    assert first == second
