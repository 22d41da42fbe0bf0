import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.splits import hold_out
from mmerc.errors import InputError


def conversations(count):
    spoken = (Utterance(id="1", speaker="a", text=""),)
    return [Conversation(id=f"c{number}", utterances=spoken) for number in range(count)]


@given(st.integers(2, 40), st.integers(0, 99), st.floats(0.01, 0.99))
def test_every_conversation_lands_on_one_side(count, seed, share):
    given_ones = conversations(count)
    train, valid = hold_out(given_ones, seed=seed, share=share)
    assert train
    assert valid
    assert sorted(item.id for item in (*train, *valid)) == sorted(i.id for i in given_ones)
    turned, held_out = hold_out(given_ones[::-1], seed=seed, share=share)
    assert turned[::-1] == train
    assert held_out[::-1] == valid


def test_one_conversation_cannot_be_split():
    with pytest.raises(InputError, match="fewer than two conversations"):
        hold_out(conversations(1), seed=0, share=0.5)
