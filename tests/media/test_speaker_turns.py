"""Turns of RTTM files, and the utterances they are assigned to."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerc.conversation import Utterance
from mmerc.errors import InputError
from mmerc.media.speaker_turns import Turn, assign_speakers, read_rttm, utterances_of_turns

LINE = "SPEAKER talk 1 {start} {duration} <NA> <NA> {name} <NA> <NA>\n"


def turn(speaker, start, end):
    return Turn(speaker=speaker, start=start, end=end)


def utterance(start, end, speaker="unknown"):
    return Utterance(id="1", speaker=speaker, text="well", start=start, end=end)


def speakers(utterances, turns):
    return [item.speaker for item in assign_speakers(utterances, turns)]


@pytest.fixture
def read(tmp_path):
    def write_and_read(content):
        file = tmp_path / "talk.rttm"
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_rttm(file).turns

    return write_and_read


def test_rttm(read):
    content = (
        ";; made by hand\n\n"
        "SPKR-INFO talk 1 <NA> <NA> <NA> unknown B <NA>\n"
        + LINE.format(start="3.5", duration="1.25", name="B")
        + LINE.format(start="0", duration="2e0", name="A").replace(" ", "\t").replace("\n", "\r\n")
        + "SPEAKER talk 1 9 1 <NA> <NA> B"
    )
    expected = (turn("A", 0, 2), turn("B", 3.5, 4.75), turn("B", 9, 10))
    assert read(content) == expected
    assert read(content.encode("utf-16")) == expected


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("SPEAKER talk 1 0", "4 fields where 8 are needed; write SPEAKER RECORDING"),
        (LINE.format(start="soon", duration=1, name="A"), "'soon' is not a time in seconds"),
        (LINE.format(start="-1", duration=1, name="A"), "'-1' is not a time"),
        (LINE.format(start="nan", duration=1, name="A"), "'nan' is not a time"),
        (LINE.format(start=0, duration="1e999", name="A"), "'1e999' is not a time"),
        (LINE.format(start=0, duration=0, name="A"), "a turn without a length"),
        ("SPEAKER talk 0 1 <NA> <NA> A <NA> <NA>", "the columns are not those of RTTM|not a time"),
        ("SPEAKER talk 0.1 4.1 <NA> <NA> A <NA> <NA>", "the columns are not those of RTTM"),
        ("SPEAKER talk 1 1 2 un known A B <NA> <NA>x", "the columns are not those of RTTM|fields"),
        ("SPEAKER a 1 2 3 <NA> <NA> b 1 2 3 <NA> <NA> c", "ambiguous columns"),
        ("speaker talk 1 0 1 <NA> <NA> A <NA> <NA>", "'speaker' is not a type of RTTM line"),
        ("SPEAKER talk 1 " + "9" * 9999 + " 1 a b c", r"'9{40}' is not a time"),
    ],
)
def test_bad_line_is_reported_with_its_number(read, line, message):
    with pytest.raises(InputError, match=rf"talk\.rttm, line 2: .*{message}"):
        read(LINE.format(start=1, duration=1, name="A") + line)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it contains no speaker turn"),
        ("SPKR-INFO talk 1 a b c d e", "it contains no speaker turn"),
        ("é".encode("latin-1"), "save it as UTF-8"),
        (b" " * (16 * 2**20 + 1), "larger than 16 MB"),
    ],
)
def test_bad_file_is_refused(read, content, message):
    with pytest.raises(InputError, match=rf"talk\.rttm: .*{message}"):
        read(content)


CASES = Path(__file__).parent / "data" / "cases"


def test_recording_with_spaces():
    actual = read_rttm(CASES / "recording-with-spaces.rttm")
    assert [(item.speaker, item.start) for item in actual.turns] == [
        ("SPEAKER_00", 0.1),
        ("SPEAKER_01", 4.3),
    ]
    assert actual.remarks == ()


def test_speakers_with_spaces():
    actual = read_rttm(CASES / "speakers-with-spaces.rttm")
    assert [(item.speaker, item.start) for item in actual.turns] == [
        ("Mara Jones", 0.1),
        ("Mara Smith", 4.3),
    ]


@pytest.mark.parametrize(
    ("line", "speaker", "remark"),
    [
        ("SPEAKER my talk 2 1 0 2 <NA> <NA> A 0.93 <NA>", "A", ""),
        ("SPEAKER talk 1 0 2 <NA> <NA> Speaker 1 <NA> <NA>", "Speaker 1", ""),
        ("SPEAKER talk 1 0 2 <NA> <NA> Speaker 1 <NA>", "Speaker 1", "may be a confidence"),
        ("SPEAKER talk 1 0 2 <NA> <NA> Speaker 2 <NA>", "Speaker 2", ""),
        ("SPEAKER\tmy talk\t1\t0\t2\tx\ty\tMara 1\t<NA>\t<NA>", "Mara 1", ""),
        ("SPEAKER talk A 0 2 x y Mara", "Mara", ""),
        ("SPEAKER talk 1 0 2 <NA> <NA> <NA> <NA> <NA>", "unknown", "line 1: no speaker is named"),
    ],
)
def test_columns_of_other_software(tmp_path, line, speaker, remark):
    file = tmp_path / "talk.rttm"
    file.write_text(line)
    actual = read_rttm(file)
    assert actual.turns == (turn(speaker, 0, 2),)
    assert len(actual.remarks) == (remark != "")
    assert remark in "".join(actual.remarks)


def test_end_times_instead_of_durations_give_a_remark(tmp_path):
    file = tmp_path / "talk.rttm"
    spans = [(1, 4), (4, 9), (9, 12), (12.5, 20)]
    file.write_text("".join(LINE.format(start=a, duration=b, name="A") for a, b in spans))
    assert read_rttm(file).remarks == (
        "talk.rttm: the durations look like end times; write how long each turn lasts.",
    )
    file.write_text("".join(LINE.format(start=a, duration=b - a, name="A") for a, b in spans))
    assert read_rttm(file).remarks == ()


def test_speaker_with_the_largest_overlap():
    turns = [turn("B", 4, 6), turn("A", 0, 5), turn("A", 5.5, 7)]
    utterances = [
        utterance(0, 1),
        utterance(4.5, 5.75),
        utterance(4.9, 5.5),
        utterance(7, 8),
        utterance(3, 9),
    ]
    assert speakers(utterances, turns) == ["A", "B", "B", "unknown", "A"]


def test_tie_goes_to_the_earlier_speaker():
    assert speakers([utterance(1, 3)], [turn("B", 2, 9), turn("A", 0, 2)]) == ["A"]


def test_known_speakers_stay_and_untimed_ones_stay_unknown():
    utterances = [
        utterance(0, 1, "Ann"),
        utterance(None, None),
        utterance(0, None),
        utterance(0, 1),
    ]
    actual = assign_speakers(utterances, [turn("A", 0, 5)])
    assert [item.speaker for item in actual] == ["Ann", "unknown", "unknown", "A"]
    assert actual[:3] == tuple(utterances[:3])
    assert (actual[3].text, actual[3].start, actual[3].end) == ("well", 0, 1)
    assert assign_speakers(utterances, []) == tuple(utterances)
    assert assign_speakers([], [turn("A", 0, 5)]) == ()


SPANS = st.tuples(st.integers(0, 40), st.integers(1, 20)).map(lambda span: (span[0], sum(span)))
TURNS = st.lists(st.tuples(st.sampled_from("ABC"), SPANS), max_size=12)


@settings(deadline=None)
@given(turns=TURNS, spans=st.lists(SPANS, max_size=6))
def test_equals_a_count_per_second(turns, spans):
    utterances = [utterance(*span) for span in spans]
    actual = speakers(utterances, [turn(name, *span) for name, span in turns])
    for (start, end), speaker in zip(spans, actual, strict=True):
        counts = {
            name: sum(
                first <= second < last
                for second in range(start, end)
                for other, (first, last) in turns
                if other == name
            )
            for name in "ABC"
        }
        most = max(counts.values())
        assert speaker == "unknown" if most == 0 else counts[speaker] == most


def test_turns_as_utterances():
    actual = utterances_of_turns([turn("B", 2, 3), turn("A", 0.5, 1)])
    assert [(item.id, item.speaker, item.text, item.start, item.end) for item in actual] == [
        ("1", "A", "", 0.5, 1),
        ("2", "B", "", 2, 3),
    ]
    assert utterances_of_turns([]) == ()


@pytest.fixture
def two_recordings(tmp_path):
    """An RTTM file with turns of two recordings."""
    lines = [LINE.format(start=n, duration=1, name=name) for n, name in enumerate("AB")]
    path = tmp_path / "turns.rttm"
    path.write_text(lines[0] + lines[1].replace("talk", "walk.wav"))
    return path


@pytest.mark.parametrize(
    ("media", "speaker"), [("films/talk.mp4", "A"), ("walk.wav", "B"), (Path("a/talk"), "A")]
)
def test_recording_with_the_media_name_is_chosen(two_recordings, media, speaker):
    assert [item.speaker for item in read_rttm(two_recordings, media=media).turns] == [speaker]


@pytest.mark.parametrize(
    ("media", "message"),
    [
        (None, r"turns of 2 recordings \(talk, walk\.wav\); keep the turns of one"),
        ("x.mp4", r"\(talk, walk\.wav\), none of them called x; call one of them x, or keep"),
    ],
)
def test_no_matching_recording_among_several(two_recordings, media, message):
    with pytest.raises(InputError, match=message):
        read_rttm(two_recordings, media=media)


def test_single_recording_can_have_any_name(tmp_path):
    (tmp_path / "turns.rttm").write_text(LINE.format(start=0, duration=1, name="A"))
    assert len(read_rttm(tmp_path / "turns.rttm", media="other.mp4").turns) == 1
