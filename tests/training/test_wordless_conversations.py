"""Conversations without words: what is hidden, and what the labels become."""

from dataclasses import replace

import pytest
import torch

from mmerc.data.batches import _Collate
from mmerc.training.wordless_conversations import hide_text

SIZES = (5, 1, 7, 3) * 30


@pytest.fixture(scope="module")
def batch(make_batch):
    """A batch in which voices say label + 10, faces label + 20, each of them not everywhere."""
    batch = make_batch(SIZES, absent=0.2, unknown=0.1, seed=3)
    own = {
        m: torch.where(torch.rand(batch.labels.shape) < 0.8, batch.labels + number, -100)
        for m, number in (("audio", 10), ("video", 20))
    }
    own = {m: labels.masked_fill(batch.labels < 0, -100) for m, labels in own.items()}
    return replace(batch, modality_labels=own)


def test_nothing_is_hidden_with_a_share_of_zero(batch):
    hidden = hide_text(batch, 0.0)
    assert torch.equal(hidden.labels, batch.labels)
    assert all(torch.equal(hidden.present[m], batch.present[m]) for m in batch.present)


def test_labels_are_those_of_a_modality_that_is_left(batch):
    torch.manual_seed(0)
    hidden = hide_text(batch, 1.0)
    assert not hidden.present["text"].any()
    seen = set()
    for row, column in batch.mask.nonzero().tolist():
        place = row, column
        left = [m for m in ("audio", "video") if hidden.present[m][place]]
        assert all(batch.present[m][place] for m in left)
        allowed = {
            own if (own := int(batch.modality_labels[m][place])) >= 0 else int(batch.labels[place])
            for m in left
        }
        label = int(hidden.labels[place])
        if not left or batch.labels[place] < 0:
            assert label == -100
        else:
            assert label in allowed
            seen.add((*left, "second" if label >= 20 else "first" if label >= 10 else "utterance"))
    assert len(seen) == 7  # of one modality its own label or the utterance's; of both, any


def test_voices_faces_and_both_are_left_equally_often(batch):
    torch.manual_seed(1)
    counts = {("audio",): 0, ("video",): 0, ("audio", "video"): 0}
    for _ in range(20):
        hidden = hide_text(batch, 0.5)
        for row in range(0, len(SIZES), 4):  # of five utterances, nearly always one of each
            if batch.present["text"][row].any() and not hidden.present["text"][row].any():
                left = tuple(m for m in ("audio", "video") if hidden.present[m][row].any())
                counts[left] = counts.get(left, 0) + 1
    total = sum(counts.values())
    assert 0.4 < total / (20 * 30) < 0.6
    assert all(0.2 < count / total < 0.47 for count in counts.values())


def test_other_conversations_stay_as_they_are(batch):
    torch.manual_seed(2)
    hidden = hide_text(batch, 0.5)
    for row in range(len(SIZES)):
        if torch.equal(hidden.present["text"][row], batch.present["text"][row]):
            unchanged = torch.equal(hidden.labels[row], batch.labels[row])
            assert unchanged or not batch.present["text"][row].any()


def test_a_model_of_text_alone_is_left_alone(make_examples):
    examples = make_examples((3, 2), widths={"text": 8})
    batch = _Collate(None)(examples)
    assert hide_text(batch, 1.0) is batch
