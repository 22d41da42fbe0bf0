"""Names that the user gives to speakers."""

import pytest

from mmerc.conversation import Conversation, Utterance
from mmerc.errors import UsageError
from mmerc.inference.pipeline.speaker_names import (
    parse_names,
    rename_in_conversations,
    rename_speakers,
)


def make_utterances(*speakers):
    return tuple(Utterance(id=str(i), speaker=s, text="yes") for i, s in enumerate(speakers))


def test_name_options_are_parsed():
    options = ["SPEAKER_01=Mara", " SPEAKER_02 = Tom = Tim ", "unknown=Ada"]
    assert parse_names(options) == {
        "SPEAKER_01": "Mara",
        "SPEAKER_02": "Tom = Tim",
        "unknown": "Ada",
    }


@pytest.mark.parametrize("option", ["Mara", "=Mara", "SPEAKER_01=", " = ", ""])
def test_option_without_speaker_or_name_is_refused(option):
    with pytest.raises(UsageError, match="has no speaker or no name; write --name SPEAKER_01=Mara"):
        parse_names([option])


def test_speaker_named_twice_is_refused():
    with pytest.raises(UsageError, match="'a' is named twice"):
        parse_names(["a=Mara", "a=Tom"])


def test_all_utterances_are_renamed():
    named = rename_speakers(make_utterances("a", "b", "a", "c"), {"a": "Mara", "c": "Tom"})
    assert [item.speaker for item in named] == ["Mara", "b", "Mara", "Tom"]


def test_two_speakers_swap_names_or_are_merged():
    swapped = rename_speakers(make_utterances("a", "b"), {"a": "b", "b": "a"})
    assert [item.speaker for item in swapped] == ["b", "a"]
    joined = rename_speakers(make_utterances("a", "b"), {"b": "a"})
    assert {item.speaker for item in joined} == {"a"}


def test_unknown_speaker_is_refused():
    message = r"No speaker is called 'x'; --name can name a, b, c\."
    with pytest.raises(UsageError, match=message):
        rename_speakers(make_utterances("b", "a", "c"), {"a": "Mara", "x": "Tom"})


def test_speakers_of_several_conversations():
    groups = [Conversation(id=n, utterances=make_utterances(n, "b")) for n in "ac"]
    named = rename_in_conversations(groups, {"c": "Tom"})
    assert [[u.speaker for u in group.utterances] for group in named] == [["a", "b"], ["Tom", "b"]]
