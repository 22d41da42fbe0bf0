"""Conversations joined into recordings: nothing is lost, and labels stay in place."""

import pytest
import torch
from pydantic import ValidationError

from mmerc.training.joined_conversations import join_conversations, join_randomly
from mmerc.training.recipe import change_recipe
from mmerc.training.recipe_files import load_recipe

SIZES = (4, 7, 2, 5, 3)


def by_utterance(batch, values):
    """The values of the real utterances, in order."""
    return values[batch.mask]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8])
def test_joining_keeps_all_utterances_in_order(make_batch, size):
    batch = make_batch(SIZES, absent=0.3, seed=1)
    joined = join_conversations(batch, size)
    assert len(joined) == -(-len(SIZES) // size)
    lengths = [sum(SIZES[first : first + size]) for first in range(0, len(SIZES), size)]
    assert joined.mask.sum(1).tolist() == lengths
    for m in batch.features:
        torch.testing.assert_close(
            by_utterance(joined, joined.features[m]), by_utterance(batch, batch.features[m])
        )
        assert torch.equal(
            by_utterance(joined, joined.present[m]), by_utterance(batch, batch.present[m])
        )
        assert not joined.present[m][~joined.mask].any()
    assert torch.equal(by_utterance(joined, joined.labels), by_utterance(batch, batch.labels))
    assert (joined.labels[~joined.mask] == -100).all()


def test_speakers_of_different_conversations_stay_distinct(make_batch):
    batch = make_batch(SIZES, seed=2)
    joined = join_conversations(batch, 5)
    pairs = [
        (row, int(speaker))
        for row in range(len(SIZES))
        for speaker in batch.speakers[row, : SIZES[row]]
    ]
    numbers = joined.speakers[0].tolist()
    assert len(set(zip(pairs, numbers, strict=True))) == len(set(pairs)) == len(set(numbers))


@pytest.mark.parametrize("size", [2, 5])
def test_encoded_text_stays_with_its_utterances(make_model, make_batch, size):
    model = make_model("df-erc", tokens=True).eval()
    batch = make_batch(SIZES, tokenizer=model.tokenizer, absent=0.2)
    joined = join_conversations(batch, size)
    with torch.no_grad():
        before, after = model.inputs(batch)[0]["text"], model.inputs(joined)[0]["text"]
    torch.testing.assert_close(after[joined.mask], before[batch.mask], atol=1e-5, rtol=1e-5)


def test_group_sizes_are_powers_of_two_up_to_the_limit(make_batch):
    torch.manual_seed(0)
    batch = make_batch((2,) * 8)
    lengths = {len(join_randomly(batch, 8)) for _ in range(60)}
    assert lengths == {8, 4, 2, 1}
    assert {len(join_randomly(batch, 1)) for _ in range(5)} == {8}
    assert {len(join_randomly(batch, 6)) for _ in range(60)} == {8, 4, 2}


def test_every_model_reads_a_joined_batch(make_model, make_batch):
    batch = join_conversations(make_batch(SIZES, absent=0.2), 3)
    for name in ("df-erc", "concatenation", "dialogue-rnn"):
        output = make_model(name).eval()(batch)
        assert torch.isfinite(output.logits[batch.mask]).all()
        assert torch.isfinite(output.loss)


def test_models_of_single_utterances_cannot_join():
    recipe = load_recipe("dq-former-composed")
    with pytest.raises(ValidationError, match="not dq-former"):
        change_recipe(recipe, {"training.joined_conversations": 2})
