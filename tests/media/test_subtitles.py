"""Subtitle files as they occur in practice, and hostile ones."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pysubs2 import SSAEvent, SSAFile

from mmerc.errors import InputError
from mmerc.media.subtitles import read_subtitles

SRT = "{number}\n{start} --> {end}\n{text}\n\n"
ASS = (
    "[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\n"
    "Format: Name, Fontname, Fontsize\nStyle: Default,Arial,20\n\n"
    "[Fonts]\nfontname: /etc/hostname\n!!!!\n\n[Events]\n"
    "Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text\n"
)


@pytest.fixture
def read(tmp_path):
    """A function that writes content to a file and reads it."""

    def write_and_read(content, name="talk.srt"):
        file = tmp_path / name
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_subtitles(file).utterances

    return write_and_read


def srt(*cues):
    """SRT of (start seconds, end seconds, text)."""

    def stamp(seconds):
        return f"00:00:{int(seconds):02d},{round(seconds % 1 * 1000):03d}"

    return "".join(
        SRT.format(number=number, start=stamp(start), end=stamp(end), text=text)
        for number, (start, end, text) in enumerate(cues, start=1)
    )


def shown(utterances):
    return [(item.start, item.end, item.speaker, item.text) for item in utterances]


# The formats


def test_srt(read):
    actual = read(srt((1.5, 2, "Hello\nthere."), (3, 4.25, "<i>Who</i>?\n5"), (5, 6, "7")))
    assert shown(actual) == [
        (1.5, 2, "unknown", "Hello there."),
        (3, 4.25, "unknown", "Who? 5"),
        (5, 6, "unknown", "7"),
    ]
    assert [item.id for item in actual] == ["1", "2", "3"]
    assert {(item.media, item.label) for item in actual} == {(None, None)}


def test_number_at_the_end_of_the_last_cue_is_a_word(read):
    assert read(srt((1, 2, "How many?\n5")).rstrip())[0].text == "How many? 5"


def test_webvtt(read):
    actual = read(
        "WEBVTT - a title\nKind: captions\n\n"
        "STYLE\n::cue(v) { color: red; }\n\n"
        "NOTE\nnot said\nnor this\n\n"
        "intro\n00:01.000 --> 00:02.500 align:start position:0%\n<v.loud Ann>R&amp;B &lt;3</v>\n\n"
        "01:00:00.000 --> 01:00:01.000\n<v Ann>Yes?</v>\n<v Bob Ray>No.</v>\n\n"
        "NOTE the end\n",
        "talk.vtt",
    )
    assert shown(actual) == [
        (1, 2.5, "Ann", "R&B <3"),
        (3600, 3600.571, "Ann", "Yes?"),
        (3600.571, 3601, "Bob Ray", "No."),
    ]


def test_rolling_captions(read):
    actual = read(
        "WEBVTT\n\n"
        "00:00:00.000 --> 00:00:02.000 align:start\n \n"
        "hello<00:00:00.640><c> my</c><00:00:01.040><c> friend</c>\n\n"
        "00:00:02.000 --> 00:00:02.010\nhello my friend\n \n\n"
        "00:00:09.000 --> 00:00:10.000\nhello my friend\n",
        "auto.vtt",
    )
    assert shown(actual) == [
        (0, 2, "unknown", "hello my friend"),
        (9, 10, "unknown", "hello my friend"),
    ]


@pytest.mark.parametrize("name", ["talk.ass", "talk.ssa", "talk.txt"])
def test_ass(read, name):
    actual = read(
        ASS + "Dialogue: 0,0:00:03.00,0:00:04.50,Default,Ann,0,0,0,,{\\an8\\i1}Well,{\\i0} yes\\Nor"
        "\\hno\nComment: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,never said\n"
        "Dialogue: 0,0:00:05.00,0:00:06.00,Default,,0,0,0,,{\\p1}m 0 0 l 100 0 100 100{\\p0}\n"
        "Dialogue: 0,0:00:01.00,0:00:02.00,Sign,,0,0,0,,Bob: {\\pos(1,2)}Hi\n",
        name,
    )
    assert shown(actual) == [(1, 2, "Bob", "Hi"), (3, 4.5, "Ann", "Well, yes or no")]


@pytest.mark.parametrize("name", ["talk.srt", "talk.ass", "talk", "talk.SRT", "talk.txt"])
def test_wrong_or_unknown_suffix(read, name):
    content = "WEBVTT\n\nNOTE no\n\n00:00:01.000 --> 00:00:02.000\nyes\n"
    assert shown(read(content, name)) == [(1, 2, "unknown", "yes")]
    assert shown(read(srt((1, 2, "yes")), name)) == [(1, 2, "unknown", "yes")]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
def test_encodings_and_line_endings(read, encoding, ends):
    content = srt((1, 2, "Žluťoučký\nkůň 馬"), (3, 4, "so")).replace("\n", ends)
    assert [item.text for item in read(content.encode(encoding))] == ["Žluťoučký kůň 馬", "so"]


def test_control_characters_do_not_reach_a_terminal(read):
    assert read(srt((1, 2, "one\x1b[31m two\x00\x9bthree")))[0].text == "one [31m two three"


# Words and speakers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("plain words", [("unknown", "plain words")]),
        ("Ann: hello: you", [("Ann", "hello: you")]),
        ("DR. O'NEIL: hello", [("DR. O'NEIL", "hello")]),
        ("Speaker 2: hello", [("Speaker 2", "hello")]),
        ("I said this: no", [("unknown", "I said this: no")]),
        ("At 10:30, then", [("unknown", "At 10:30, then")]),
        ("12: no", [("unknown", "12: no")]),
        ("Ann:", []),
        ("- Yes.\n- No,\nnever.", [("unknown", "Yes."), ("unknown", "No, never.")]),
        ("Yes.\n–No.", [("unknown", "Yes."), ("unknown", "No.")]),
        ("-ANN: Yes.\n-BOB: No.", [("ANN", "Yes."), ("BOB", "No.")]),
        ("Ann: Yes.\nAnd you?\nBob: No.", [("Ann", "Yes. And you?"), ("Bob", "No.")]),
        ("- Alone.", [("unknown", "Alone.")]),
        ("It is\n-5 outside\n--or so", [("unknown", "It is -5 outside --or so")]),
        ("[door slams]", []),
        ("ANN: (sighs)", []),
        ("♪ la la la\nla la", []),
        ("♪♪", []),
        ("- [laughs]\n- Stop it.", [("unknown", "Stop it.")]),
        ("[sighs] I know.", [("unknown", "[sighs] I know.")]),
        ("...", [("unknown", "...")]),
        (" \n ", []),
        ("-", []),
        ("<font color='#fff'>a < b</font>", [("unknown", "a < b")]),
        (r"{\an8}up{\p1}m 0 0", []),
        ("<v Ann>One.</v> <v Bob>Two.</v>", [("Ann", "One."), ("Bob", "Two.")]),
        ("<v>Ann: One.", [("Ann", "One.")]),
        (f"<v {'A' * 400}>One.", [("A" * 400, "One.")]),
        (f"{'A' * 100}: One.", [("A" * 100, "One.")]),
        ("&amp;&#" + "9" * 5000, [("unknown", "&amp;&#" + "9" * 5000)]),
    ],
)  # fmt: skip
def test_tags_and_sounds_are_removed_from_words(read, text, said):
    assert [(item.speaker, item.text) for item in read(srt((1, 2, text)))] == said


def test_speaker_field_takes_precedence_over_words(read):
    line = r"Dialogue: 0,0:00:01.00,0:00:03.00,Default,Ann,0,0,0,,Note: this\N- and this"
    assert [(item.speaker, item.text) for item in read(ASS + line, "talk.ass")] == [
        ("Ann", "Note: this"),
        ("Ann", "and this"),
    ]


def test_speakers_of_one_cue_share_its_time(read):
    actual = read(srt((10, 14, "- " + "a" * 30 + "\n- [coughs]\n- " + "b" * 10)))
    assert [(item.start, item.end) for item in actual] == [(10, 13), (13, 14)]


# Order, overlap, and impossible times


def test_cues_are_sorted_and_may_overlap(read):
    actual = read(srt((5, 6, "c"), (1, 4, "a"), (2, 3, "b"), (4, 5, "[beep]")))
    assert shown(actual) == [
        (1, 4, "unknown", "a"), (2, 3, "unknown", "b"), (5, 6, "unknown", "c"),
    ]  # fmt: skip


@pytest.mark.parametrize("end", [3, 1])
def test_zero_length_cue_keeps_its_words(read, end):
    actual = read(srt((3, end, "a"), (9, 9.5, "b")))
    assert shown(actual) == [(3, 3, "unknown", "a"), (9, 9.5, "unknown", "b")]


def test_repeated_words_of_another_speaker_or_time_are_kept(read):
    actual = read(
        srt((1, 2, "Ann: No."), (2, 3, "Bob: No."), (3, 4, "Bob: No."), (6, 7, "Bob: No."))
    )
    assert shown(actual) == [
        (1, 2, "Ann", "No."), (2, 4, "Bob", "No."), (6, 7, "Bob", "No."),
    ]  # fmt: skip


def test_file_with_only_music_has_no_words(read):
    assert read(srt((1, 2, "♪ la ♪"))) == ()


# Errors


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no cue of SRT, WebVTT or ASS/SSA"),
        (b"just words\n", "no cue of SRT"),
        (b"00:00:01 00:00:02\nno arrow", "no cue of SRT"),
        (b"\x00\x01\x02" * 99, "no cue of SRT"),
        ("1\n00:00:01,000 --> 00:00:02,000\ncafé".encode("cp1252"), "save it as UTF-8"),
        (srt((1, 2, "a")).encode("utf-16")[:-1], r"not UTF-16 text \(byte"),
        (b"Dialogue: 0,soon,later,Default,,0,0,0,,a", "line 1: no cue in the file has readable"),
        (srt((1, 2, "a" * 10_001)).encode(), "line 2: the cue has 10,001 characters"),
        (srt((1, 2, "a")).encode() * 100_001, "more than 100,000 cues"),
        (b"00:00:01,0 00:00:02,0\n-->\n" * 100_001, "more than 100,000 cues"),
        (b"00:00:01,0 00:00:02,0\n" * 100_001 + b"-->", "more than 100,000 cues"),
        (b"Dialogue: 0,0:00:01.00,0:00:02.00,,,0,0,0,,a\n" * 100_001, "more than 100,000 cues"),
        (b"a" * (16 * 2**20 + 1), "larger than 16 MB"),
    ],
)  # fmt: skip
def test_invalid_input_is_refused(read, content, message):
    with pytest.raises(InputError, match=rf"talk\.srt.*: .*({message})|talk\.srt, {message}"):
        read(content)


def test_huge_file_is_refused_before_it_is_read(tmp_path):
    file = tmp_path / "huge.srt"
    with file.open("wb") as sparse:
        sparse.truncate(2**40)
    with pytest.raises(InputError, match="larger than 16 MB"):
        read_subtitles(file)


def test_file_that_cannot_be_opened(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_subtitles(tmp_path / "none.srt")
    with pytest.raises(InputError, match="not a plain file"):
        read_subtitles(tmp_path)


LONG = {"<": 15_000_000, "[": 15_000_000}
BEFORE = {
    "srt": "1\n00:00:01,000 --> 00:00:02,000\n",
    "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n",
    "ass": "Dialogue: 0,0:00:01.00,0:00:02.00,Default,,0,0,0,,",
    "none.ass": "[Fonts]\n",
}


@pytest.mark.parametrize("unit", ["<", "[", "<a", "[a", "{", "\n", "1", "< "])
@pytest.mark.parametrize("kind", BEFORE)
def test_hostile_line_is_parsed_in_bounded_time(read, kind, unit):
    content = BEFORE[kind] + unit * (LONG.get(unit, 2_000_000) // len(unit)) + "x\n"
    try:
        actual = read(content, f"talk.{kind}")
    except InputError as error:
        assert len(str(error)) < 400
    else:
        assert unit == "\n"
        assert [item.text for item in actual] in (["x"], [])


@pytest.mark.parametrize(
    "unit", ["<", "<v a", "<v ", "[a", "{\\", "(", "♪", "- ", "&", "a:", "\\N"]
)
def test_hostile_cues_are_parsed_in_bounded_time(read, unit):
    for said in read(srt((1, 2, unit * (9_999 // len(unit)) + "x"))):
        assert said.speaker
        assert said.text


# Output of pysubs2

WORDS = st.text("abcäøЖ馬0159'.,!?", min_size=1, max_size=12)
TEXTS = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)
CUES = st.lists(
    st.tuples(st.integers(0, 3_000_000), st.integers(1, 900), TEXTS, TEXTS | st.none()),
    min_size=1,
    max_size=6,
    unique_by=lambda cue: cue[2],
)


@settings(deadline=None)
@given(cues=CUES, kind=st.sampled_from(["srt", "vtt", "ass", "ssa"]), wrapped=st.booleans())
def test_subtitles_written_by_pysubs2_are_read_back(tmp_path_factory, cues, kind, wrapped):
    file = tmp_path_factory.mktemp("written") / f"talk.{kind}"
    file_of_cues, expected = SSAFile(), []
    for start, length, text, field in cues:
        times = (start * 10, (start + length) * 10)  # ASS has hundredths, the others thousandths
        if kind in ("srt", "vtt"):
            times = (start * 10 + 7, (start + length) * 10 + 3)
        words = text.replace(" ", "\\N", 1) if wrapped else text
        name = field.replace(",", "") if field and kind in ("ass", "ssa") else ""
        file_of_cues.append(SSAEvent(start=times[0], end=times[1], text=words, name=name))
        known = " ".join(name.split())
        speaker = known or "unknown"
        expected.append((times[0] / 1000, times[1] / 1000, speaker, text))
    file_of_cues.save(str(file))
    assert shown(read_subtitles(file).utterances) == sorted(expected, key=lambda cue: cue[0])


def _srt(*cues):
    return "\n\n".join(
        f"{number}\n00:00:{start:02},000 --> 00:00:{end:02},000\n{text}"
        for number, (start, end, text) in enumerate(cues, start=1)
    )


def test_times_that_start_again_are_remarked_on(tmp_path):
    """The second disc's subtitles, appended without a shift, would mix with the first's."""
    path = tmp_path / "both.srt"
    path.write_text(_srt((1, 2, "one"), (3, 4, "two"), (1, 2, "three"), (5, 6, "four")))
    subtitles = read_subtitles(path)
    assert [item.text for item in subtitles.utterances] == ["one", "three", "two", "four"]
    assert subtitles.remarks == (
        "both.srt, line 10: a cue begins before the one above it; cues are sorted by start.",
    )


def test_two_languages_at_the_same_times_are_remarked_on(tmp_path):
    path = tmp_path / "both.srt"
    lines = ((1, 2, "Where?"), (1, 2, "Wohin?"), (3, 4, "Home."), (3, 4, "Nach Hause."))
    path.write_text(_srt(*lines))
    (remark,) = read_subtitles(path).remarks
    assert remark == (
        "both.srt, line 2: most cues occur twice at the same time, as in two languages; all of "
        "them are read."
    )
    path.write_text(_srt(*[(start, end, f"Ann: {text}") for start, end, text in lines]))
    assert read_subtitles(path).remarks == ()


def test_speakers_that_differ_only_in_case_are_remarked_on(tmp_path):
    path = tmp_path / "talk.srt"
    path.write_text(_srt((1, 2, "Mara: No."), (3, 4, "MARA: No!")))
    (remark,) = read_subtitles(path).remarks
    assert "names differ only in case are different people: 'Mara' and 'MARA'" in remark


def test_right_to_left_cues_without_direction_marks(tmp_path):
    path = tmp_path / "talk.srt"
    path.write_text(
        _srt((1, 2, "\u202bשלום: מה\u202c"), (3, 4, "\u061cשלום: כן"), (5, 6, "\u200f- לא"))
    )
    utterances = read_subtitles(path).utterances
    assert [(item.speaker, item.text) for item in utterances] == [
        ("שלום", "מה"),
        ("שלום", "כן"),
        ("unknown", "לא"),
    ]


def test_name_of_invisible_characters_is_no_name(tmp_path):
    path = tmp_path / "talk.vtt"
    path.write_text("WEBVTT\n\n00:01.000 --> 00:02.000\n<v \u00ad\u200b>Hello\n")
    (utterance,) = read_subtitles(path).utterances
    assert (utterance.speaker, utterance.text) == ("unknown", "Hello")
