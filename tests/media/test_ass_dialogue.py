"""ASS files with damaged columns, sections and lines: everything is read or reported."""

import pytest

EVENTS = """[Script Info]
Title: talk

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.00,0:00:02.00,Default,Ann,0,0,0,,Hello.
Dialogue: 0,0:00:03.00,0:00:04.00,Default,Bob,0,0,0,,Yes.
"""
USUAL = "a format whose columns cannot be read; the usual columns are used"
UNREAD = "no line of dialogue that can be read, left out"


@pytest.mark.parametrize(
    ("before", "after", "words", "remarks"),
    [
        ("Layer, Start", "Layer, St\tart", ["Hello.", "Yes."], [f"line 5: {USUAL}"]),
        ("Effect,", "Effect, Effect,", ["Hello.", "Yes."], [f"line 5: {USUAL}"]),
        ("MarginV,", "Mar,ginV,", ["Hello.", "Yes."], [f"line 5: {USUAL}"]),
        ("Layer, Start", "Layer,\tStart", ["Hello.", "Yes."], []),
        ("[Events]\n", "[&lt;Events]\n", ["Hello.", "Yes."], [f"line 2: {UNREAD}"]),
        ("Dialogue: 0,0:00:01", "Dialog: 0,0:00:01", ["Yes."], [f"line 6: {UNREAD}"]),
        (
            "Default,Bob,0", "Default,Bob, B,0", ["Hello.", ",Yes."],
            ["line 7: columns that do not fit the format; the name and the words may be wrong"],
        ),
    ],
)  # fmt: skip
def test_damaged_ass_lines_are_read_or_reported(read, before, after, words, remarks):
    subtitles = read(EVENTS.replace(before, after), "talk.ass")
    assert [item.text for item in subtitles.utterances] == words
    assert subtitles.remarks == tuple(f"talk.ass, {remark}." for remark in remarks)
