import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.splits import hold_out, split_by_ratio
from mmerc.errors import InputError


def conversations(count):
    spoken = (Utterance(id="1", speaker="a", text=""),)
    return [Conversation(id=f"c{number}", utterances=spoken) for number in range(count)]


@given(st.integers(2, 40), st.integers(0, 99), st.floats(0.01, 0.99))
def test_every_conversation_is_on_one_side(count, seed, share):
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


@given(st.integers(3, 200), st.integers(0, 99))
def test_eight_one_one_split(count, seed):
    names = [item.id for item in conversations(count)]
    actual = split_by_ratio(names, seed=seed)
    assert sorted(name for part in actual.values() for name in part) == sorted(names)
    assert actual == split_by_ratio(names[::-1], seed=seed)
    for part, share in (("train", 0.8), ("valid", 0.1), ("test", 0.1)):
        assert actual[part]
        assert abs(len(actual[part]) - share * count) < 2


def test_conversation_count_equals_dq_former():
    actual = split_by_ratio([item.id for item in conversations(151)], seed=4)
    assert [len(actual[part]) for part in ("train", "valid", "test")] == [121, 14, 16]


def test_split_is_reproducible():
    names = ("Ses01F_impro01", "Ses02M_impro03", "Ses04F_script02_1", "Ses05M_script01_1b")
    assert split_by_ratio(names, seed=0) == {
        "train": {"Ses01F_impro01", "Ses02M_impro03"},
        "valid": {"Ses05M_script01_1b"},
        "test": {"Ses04F_script02_1"},
    }
    assert split_by_ratio(names, seed=1) != split_by_ratio(names, seed=0)


def test_two_conversations_are_too_few_for_three_splits():
    with pytest.raises(InputError, match="2 conversations cannot be divided among three splits"):
        split_by_ratio(["a", "b"], seed=0)
