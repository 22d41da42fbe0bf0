"""Share of each utterance with overlapping speech, compared with values computed by hand."""

import pytest

from mmerc.conversation import Utterance
from mmerc.inference.pipeline.overlaps import measure_overlaps
from mmerc.inference.pipeline.source_remarks import overlap_remarks
from mmerc.media.speaker_turns import Turn


def make_utterances(*items):
    return [
        Utterance(id=str(n), speaker=speaker, text="x", start=start, end=end)
        for n, (speaker, start, end) in enumerate(items)
    ]


def turns(*items):
    return [Turn(speaker=name, start=start, end=end) for name, start, end in items]


@pytest.mark.parametrize(
    ("who", "expected"),
    [
        (turns(("A", 0, 4)), 0.0),
        (turns(("A", 0, 4), ("B", 3, 9)), 0.25),
        (turns(("A", 0, 4), ("B", 1, 2), ("C", 1.5, 3)), 0.5),  # the union of B and C
        (turns(("A", 0, 4), ("B", 1, 2), ("B", 1.5, 3)), 0.5),
        (turns(("B", 0, 9), ("A", 3, 4)), 1.0),
        (turns(("A", 0, 4), ("unknown", 0, 4)), 0.0),
        (turns(("A", 8, 9), ("B", 8, 9)), 0.0),
    ],
)
def test_turns_of_other_speakers(who, expected):
    assert measure_overlaps(make_utterances(("A", 0, 4)), who) == {"0": expected}


def test_speakers_named_differently_from_the_turns():
    who = turns(("S1", 0, 3), ("S2", 2, 4), ("S2", 2.5, 4))
    assert measure_overlaps(make_utterances(("Mara", 0, 4), ("unknown", 0, 2)), who) == {
        "0": 0.25,
        "1": 0.0,
    }


def test_overlapping_utterances_without_turns():
    items = make_utterances(("A", 0, 4), ("B", 3, 5), ("A", 3.5, 4.5), ("unknown", 0, 5))
    assert measure_overlaps(items, ()) == {"0": 0.25, "1": 0.75, "2": 1.0, "3": 0.3}
    assert measure_overlaps(make_utterances(("unknown", 0, 2), ("unknown", 1, 3)), ()) == {
        "0": 0,
        "1": 0,
    }


def test_zero_length_utterances_have_no_overlap():
    assert (
        measure_overlaps(make_utterances(("A", None, None), ("A", 1, 1)), turns(("B", 0, 2))) == {}
    )


def test_overlapping_speech_gives_a_remark():
    assert overlap_remarks({"0": 0.33, "1": 0.0}) == ()
    (remark,) = overlap_remarks({"0": 0.34, "1": 0.0})
    assert remark.startswith("During 1 of 2 utterances another person speaks too")
