import dataclasses

import pytest

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.base import RawCorpus
from mmerc.errors import InputError
from mmerc.labels import MOSI_2
from mmerc.names import tidy_name


def test_conversations_are_frozen_and_ordered():
    spoken = tuple(Utterance(id=name, speaker="a", text="") for name in "ba")
    conversation = Conversation(id="c", utterances=spoken)
    assert len(conversation) == 2
    assert [utterance.id for utterance in conversation.utterances] == ["b", "a"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        conversation.id = "d"


@pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["start", "end"])
def test_invalid_times_are_refused(name, seconds):
    with pytest.raises(InputError, match=f"utterance '1': {name} is"):
        Utterance(id="1", speaker="a", text="", **{name: seconds})


def test_invalid_conversations_are_refused():
    spoken = Utterance(id="1", speaker="a", text="")
    with pytest.raises(InputError, match="its id is empty"):
        Utterance(id="", speaker="a", text="")
    with pytest.raises(InputError, match="its id is empty"):
        Conversation(id="", utterances=(spoken,))
    with pytest.raises(InputError, match="conversation 'c': it has no utterances"):
        Conversation(id="c", utterances=())
    with pytest.raises(InputError, match="utterance id '1' occurs twice"):
        Conversation(id="c", utterances=(spoken, spoken))


def test_conversation_is_in_one_split_only():
    item = Conversation(id="c", utterances=(Utterance(id="1", speaker="a", text=""),))
    with pytest.raises(InputError, match="'c': occurs twice, in train and in test"):
        RawCorpus(name="own", labels=MOSI_2, splits={"train": (item,), "test": (item,)})


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Zoe\u0308", "Zoë"),
        ("Mara\u00a0Jones", "Mara Jones"),
        (" Mara  Jones\t", "Mara Jones"),
        ("\u202bשלום\u202c", "שלום"),
        ("\u200bTom\x07\ufeff", "Tom"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("Tom \U0001f468\u200d\U0001f469", "Tom \U0001f468\u200d\U0001f469"),
        ("\u200b \u00a0", ""),
    ],
)
def test_names_that_look_the_same_are_one_speaker(written, name):
    """Two keyboards, or two systems, write one name in different characters."""
    assert tidy_name(written) == name
    assert Utterance(id="1", speaker=written, text="").speaker == name
