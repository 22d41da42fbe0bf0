"""Misleading vectors: which values change, and how often."""

import pytest
import torch

from mmerc.training import disturbances
from mmerc.training.disturbances import disturb_conversations

SIZES = (9, 7, 5, 8)


@pytest.fixture
def batch(make_batch):
    return make_batch(SIZES, absent=0.3, seed=3)


def changed(batch, disturbed):
    """Conversations with changed vectors, by modality."""
    return {
        m: (batch.features[m] != disturbed.features[m]).flatten(1).any(1) for m in batch.features
    }


def test_nothing_is_disturbed_at_rate_0(batch):
    assert disturb_conversations(batch, 0.0) is batch


def test_rate_1_disturbs_one_modality_of_each_conversation(batch):
    torch.manual_seed(0)
    disturbed = disturb_conversations(batch, 1.0)
    per_conversation = torch.stack(list(changed(batch, disturbed).values())).sum(0)
    assert per_conversation.tolist() == [1] * len(SIZES)


def test_rate_applies_to_conversations(batch):
    torch.manual_seed(1)
    counts = [
        int(torch.stack(list(changed(batch, disturb_conversations(batch, 0.25)).values())).sum())
        for _ in range(200)
    ]
    assert sum(counts) / (200 * len(SIZES)) == pytest.approx(0.25, abs=0.05)


def test_only_present_values_change_and_stay_finite(batch):
    torch.manual_seed(2)
    for _ in range(20):
        disturbed = disturb_conversations(batch, 1.0)
        for m, vectors in disturbed.features.items():
            absent = ~batch.present[m]
            assert torch.equal(vectors[absent], batch.features[m][absent])
            assert torch.isfinite(vectors).all()
        assert disturbed.present is batch.present
        assert torch.equal(disturbed.labels, batch.labels)


@pytest.mark.parametrize("change", disturbances._CHANGES)
def test_each_disturbance_has_its_effect(change):
    torch.manual_seed(0)
    own, pool = torch.randn(6, 4), torch.randn(50, 4)
    labels = torch.arange(50) % 5
    result = change(own, pool, labels)
    assert result.shape == own.shape
    rows = [(pool == vector).all(1).nonzero().flatten().tolist() for vector in result]
    if change is disturbances.replace_by_others:
        assert all(len(row) == 1 for row in rows)
    elif change is disturbances._one_emotion:
        assert len({int(labels[row[0]]) for row in rows}) == 1
    else:  # still correlated with the original
        assert not any(rows)
        assert torch.corrcoef(torch.stack([result.flatten(), own.flatten()]))[0, 1] > 0.1


def test_one_emotion_without_labels_draws_from_all():
    torch.manual_seed(0)
    pool = torch.randn(5, 4)
    result = disturbances._one_emotion(torch.randn(3, 4), pool, torch.full((5,), -100))
    assert all((pool == vector).all(1).any() for vector in result)


def test_text_encoded_by_the_model_is_unchanged(make_model, make_batch):
    model = make_model("df-erc", tokens=True)
    batch = make_batch(SIZES, tokenizer=model.tokenizer)
    disturbed = disturb_conversations(batch, 1.0)
    assert disturbed.windows is batch.windows
    assert set(disturbed.features) == set(batch.features)
