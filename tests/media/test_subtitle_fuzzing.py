"""Subtitles and speaker turns, valid and damaged: no traceback, no word silently lost."""

import re
from collections import Counter

from hypothesis import example, given, settings
from hypothesis import strategies as st

from mmerc.errors import InputError
from mmerc.media.speaker_turns import read_rttm
from mmerc.media.subtitles import read_subtitles

# Words are numbered, so that each can be identified in the output.
LABELS = ["", "Mara: ", "[SPEAKER_00]: ", "(speaker 1) ", ">> ", ">> TOM: ", "- ", "<v Ann Lee>"]
PIECES = [
    "\n", "\n\n", " ", "-->", "00:00:01,000 --> 00:00:02,000", "0:00:01.00", "-", ">>", ":", "<",
    ">", "[", "]", "(", ")", "&amp;", "&lt;", "<i>", "</i>", "{", "}", "\\N", "Mara:", ",", ".",
    "\x00", "\ufeff", "1", "99999999999", "♪", "SPEAKER_01", "<v ", "：", "“", "\t", "Dialogue:",
]  # fmt: skip
WORD = re.compile(r"w\d+")
CUES = st.lists(
    st.tuples(
        st.integers(0, 20_000),
        st.integers(1, 3000),
        st.sampled_from(LABELS),
        st.integers(1, 4),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)
MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["cut", "insert", "double", "line"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 12),
        st.sampled_from(PIECES),
    ),
    max_size=4,
)


def stamp(milliseconds, point):
    seconds, rest = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{rest:03d}"


def texts_of(cues):
    """The text of each cue, with a label and numbered words, on one or two lines."""
    number = 0
    for _, _, label, count, wrapped in cues:
        words = [f"w{number + offset}" for offset in range(count)]
        number += count
        yield label + (("\n" if wrapped else " ").join(words))


def written(kind, cues):
    """A valid file."""
    items = zip(cues, texts_of(cues), strict=True)
    if kind == "ass":
        head = "[Events]\nFormat: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, "
        return f"{head}Effect, Text\n" + "".join(
            f"Dialogue: 0,{stamp(start, '.')[1:-1]},{stamp(start + length, '.')[1:-1]},Default,,"
            f"0,0,0,,{text}\n".replace("\n", "\\N")[:-2]
            + "\n"
            for (start, length, *_), text in items
        )
    point = "," if kind == "srt" else "."
    blocks = [
        f"{number}\n{stamp(start, point)} --> {stamp(start + length, point)}\n{text}\n"
        for number, ((start, length, *_), text) in enumerate(items, start=1)
    ]
    return ("WEBVTT\n\n" if kind == "vtt" else "") + "\n".join(blocks)


def mutated(content, mutations):
    """The content with parts removed, duplicated or inserted, and lines removed."""
    for kind, where, length, piece in mutations:
        position = int(where * (len(content) + 1))
        if kind == "cut":
            content = content[:position] + content[position + length :]
        elif kind == "insert":
            content = content[:position] + piece + content[position:]
        elif kind == "double":
            part = content[position : position + 5 * length]
            content = content[:position] + part + content[position:]
        elif lines := content.split("\n"):
            del lines[int(where * len(lines))]
            content = "\n".join(lines)
    return content


def words_out(subtitles):
    return Counter(
        word
        for item in subtitles.utterances
        for word in WORD.findall(f"{item.speaker} {item.text}")
    )


@settings(max_examples=150, deadline=None)
@given(cues=CUES, kind=st.sampled_from(["srt", "vtt", "ass"]))
def test_all_words_survive(tmp_path_factory, cues, kind):
    file = tmp_path_factory.mktemp("valid") / f"talk.{kind}"
    content = written(kind, cues)
    file.write_text(content)
    subtitles = read_subtitles(file)
    assert words_out(subtitles) == Counter(WORD.findall(content))
    assert len(subtitles.utterances) == len(cues)
    for item in subtitles.utterances:
        assert item.speaker in {"unknown", "Mara", "SPEAKER_00", "speaker 1", "TOM", "Ann Lee"}
        assert re.fullmatch(r"w\d+( w\d+)*", item.text)


@settings(max_examples=400, deadline=None)
@given(cues=CUES, kind=st.sampled_from(["srt", "vtt", "ass"]), mutations=MUTATIONS)
def test_words_are_never_lost_or_invented_silently(tmp_path_factory, cues, kind, mutations):
    file = tmp_path_factory.mktemp("damaged") / f"talk.{kind}"
    content = mutated(written(kind, cues), mutations)
    file.write_text(content, newline="")
    try:
        subtitles = read_subtitles(file)
    except InputError as error:
        assert len(str(error)) < 600
        return
    words_in = Counter(WORD.findall(re.sub("</?i>", "", content)))  # also within a word
    if words_out(subtitles) != words_in:
        assert subtitles.remarks, (content, subtitles)
    for item in subtitles.utterances:
        assert item.text
        assert item.speaker
        assert (item.start is None) == (item.end is None)
        assert item.start is None or 0 <= item.start <= item.end
    arrows = sum(parse.count("-->") > 0 for parse in content.split("\n"))
    assert len(subtitles.utterances) >= arrows or subtitles.remarks or kind == "ass"


TURNS = st.lists(
    st.tuples(
        st.integers(0, 9999), st.integers(1, 999), st.sampled_from(["A", "Mara Jones", "S 1"])
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=300, deadline=None)
@given(turns=TURNS, mutations=MUTATIONS)
@example(turns=[(0, 1, "A")], mutations=[])
@example(turns=[(0, 1, "A")], mutations=[("insert", 0.0, 1, "\t")])
def test_turns_are_never_lost_or_invented_silently(tmp_path_factory, turns, mutations):
    file = tmp_path_factory.mktemp("turns") / "talk.rttm"
    lines = [
        f"SPEAKER my talk 1 {start / 10:.2f} {length / 10:.2f} <NA> <NA> {name} <NA> <NA>\n"
        for start, length, name in turns
    ]
    content = mutated("".join(lines), mutations)
    file.write_text(content, newline="")
    try:
        actual = read_rttm(file)
    except InputError as error:
        assert "talk.rttm" in str(error)
        return
    spoken = [line for line in re.split(r"\r\n|\r|\n", content) if line.strip()]
    comments = sum(not line.lstrip("\ufeff \t").startswith("SPEAKER") for line in spoken)
    assert len(actual.turns) + comments == len(spoken)
    if not mutations:
        expected = sorted((start / 10, name) for start, _, name in turns)
        assert sorted((turn.start, turn.speaker) for turn in actual.turns) == expected
