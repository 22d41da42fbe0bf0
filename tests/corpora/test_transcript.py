import pytest

from mmerc.corpora.transcript import read_transcript
from mmerc.errors import InputError


@pytest.fixture
def read(tmp_path):
    """A function that reads a transcript with the given content."""

    def call(content):
        file = tmp_path / "talk.txt"
        file.write_bytes(content.encode())
        return read_transcript(str(file))

    return call


def rows(transcript):
    return [(u.speaker, u.start, u.text) for c in transcript for u in c.utterances]


def test_conversations_and_their_lines(tmp_path):
    file = tmp_path / "talk.txt"
    file.write_text(
        "# a comment\nAnn: Look: 10:30 already!\nBob Lee : آه 😮\u2028so\n\n\n# more\nAnn: Bye\n",
        encoding="utf-8-sig",
    )
    first, second = read_transcript(file)
    assert (first.id, second.id) == ("talk-1", "talk-2")
    assert [(u.id, u.speaker, u.text) for u in first.utterances] == [
        ("1", "Ann", "Look: 10:30 already!"),
        ("2", "Bob Lee", "آه 😮\u2028so"),
    ]
    assert second.utterances[0].text == "Bye"
    assert read_transcript(file).remarks == ()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("Ann: hi\njust words\n", "line 2: no speaker"),
        (": hi", "line 1: no speaker"),
        ("a" * 61 + ": hi", "line 1: no speaker of at most 60 characters"),
        ("Ann:  \n", "line 1: 'Ann' says nothing"),
        ("# nothing\n\n", "contains no utterance"),
        ("[00:00:75] Mara: hi\n", "line 1: '00:00:75' is not a time"),
        ("Ann: hi\n0:61 Mara: hi\n", "line 2: '0:61' is not a time"),
        ("0:03 Mara: hi\n0:07\n", "line 2: it says nothing"),
        ("0:09 - 0:07 Mara: hi\n", "line 1: it ends at 0:07, before it starts"),
        ("Ann: hi\nTom Lee  0:07\nno\n", "line 2: a name and a time, where other lines"),
        ("Mara Jones  0:03\n\nTom Lee  0:07\nno\n", "line 1: 'Mara Jones' says nothing"),
        ("40/40/2024, 10:15 - Mara: hi\n", "neither day nor month first"),
        ("12/03/2024, 25:15 - Mara: hi\n", "'25:15' is not a time of day"),
    ],
)
def test_bad_lines(tmp_path, content, message):
    (tmp_path / "talk.txt").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        read_transcript(tmp_path / "talk.txt")
    assert str(caught.value).count("talk.txt") == 1


TIMED = {
    "in brackets": "[00:00:03] Mara: Hello: all.\n[00:00:07] Tom: Oh no.\n",
    "first": "00:00:03 Mara: Hello: all.\n00:00:07 Tom: Oh no.\n",
    "with a dash": "0:03 - Mara: Hello: all.\n0:07 – Tom: Oh no.\n",
    "with Windows line ends": "[0:03] Mara: Hello: all.\r\n\r\n[0:07] Tom: Oh no.\r\n",
    "name and time lines": "Mara  0:03\nHello: all.\n\nTom  0:07\nOh no.\n",
    "name and time in brackets": "Mara (00:03):\nHello: all.\n\nTom (00:07):\nOh\nno.\n",
    "time and name lines": "[00:00:03] Mara\nHello: all.\n[00:00:07] Tom\nOh no.\n",
    "as chat of a meeting": "0:03 From Mara to Everyone:\tHello: all.\n0:07 From Tom : Oh no.\n",
}


@pytest.mark.parametrize("shape", TIMED)
def test_times_are_starts_and_never_words(read, shape):
    transcript = read(TIMED[shape])
    assert rows(transcript) == [("Mara", 3.0, "Hello: all."), ("Tom", 7.0, "Oh no.")]
    assert (len(transcript), transcript.remarks) == (1, ())


def test_ranges_give_starts_and_ends(read):
    (talk,) = read("[0:03 - 0:05] Mara: Hello.\n[0:05 - 0:07.5] Tom: No.\n")
    assert [(u.start, u.end) for u in talk.utterances] == [(3, 5), (5, 7.5)]


def test_whisper_output_is_read_like_subtitles(read):
    (talk,) = read(
        "[00:00:00.000 --> 00:00:04.000]   Hello all.\n[00:00:04.000 --> 00:00:05.500]   No.\n"
    )
    assert [(u.speaker, u.start, u.end, u.text) for u in talk.utterances] == [
        ("unknown", 0.0, 4.0, "Hello all."),
        ("unknown", 4.0, 5.5, "No."),
    ]


@pytest.mark.parametrize(
    ("content", "starts"),
    [
        ("12/03/2024, 10:15 - Mara: Hi.\n12/03/2024, 10:17 - Tom: No.\n", [0, 120]),
        ("[13/03/2024, 23:59:58] Mara: Hi.\n[14/03/2024, 00:00:01] Tom: No.\n", [0, 3]),
        ("3/12/24, 10:15\u202fAM - Mara: Hi.\n3/14/24, 1:15\u202fPM - Tom: No.\n", [0, 183600]),
        ("2024-03-12 10:15:00 Mara: Hi.\n2024-03-12 10:15:02 Tom: No.\n", [0, 2]),
        ("\u200e[12.03.24, 10:15:32] Mara: Hi.\n[12.03.24, 10:15:40] Tom: No.\n", [0, 8]),
    ],
)
def test_dated_lines_are_relative_to_the_earliest(read, content, starts):
    transcript = read(content)
    assert rows(transcript) == [("Mara", starts[0], "Hi."), ("Tom", starts[1], "No.")]
    assert any("counted from the earliest" in line for line in transcript.remarks)


def test_guessed_date_order_is_reported(read):
    transcript = read("03/04/2024, 10:00 - Mara: Hi.\n04/04/2024, 10:00 - Tom: No.\n")
    assert [start for _, start, _ in rows(transcript)] == [0, 86400]
    assert any("day first" in line for line in transcript.remarks)


def test_untimed_lines_continue_and_unnamed_ones_are_reported(read):
    transcript = read(
        "12/03/2024, 10:14 - Messages are encrypted.\n"
        "12/03/2024, 10:15 - sam's iPhone: Hello\nand more: words\n"
    )
    assert [(speaker, text) for speaker, _, text in rows(transcript)] == [
        ("unknown", "Messages are encrypted."),
        ("sam's iPhone", "Hello and more: words"),
    ]
    message = " ".join(transcript.remarks)
    assert "line 3: has no time, and continues" in message
    assert "line 1: the speaker is not named" in message


def test_known_speaker_without_a_time_starts_an_utterance(read):
    transcript = read("[0:03] Mara: a\nTom: b\n[0:09] Tom: c\n")
    assert rows(transcript) == [("Mara", 3, "a"), ("Tom", None, "b"), ("Tom", 9, "c")]


def test_earlier_time_after_an_empty_line_starts_a_conversation(read):
    first, second = read("[0:03] Mara: a\n\n[0:07] Tom: b\n\n[0:01] Mara: c\n")
    assert (len(first), second.utterances[0].text) == (2, "c")
    together = read("[0:07] Mara: a\n[0:03] Tom: b\n")
    assert [start for _, start, _ in rows(together)] == [7, 3]
    assert "line 2: begins before the line above it" in together.remarks[0]


def test_words_resembling_a_name_and_time_stay_words(read):
    transcript = read("Mara Jones  0:03\nsee you at 10:15\n\nTom Lee  0:07\nok\n")
    assert rows(transcript) == [("Mara Jones", 3, "see you at 10:15"), ("Tom Lee", 7, "ok")]


def test_comments_among_timed_lines_are_reported(read):
    transcript = read("[0:03] Mara: a\n#hashtag\n[0:07] Tom: b\n")
    assert len(rows(transcript)) == 2
    assert transcript.remarks == ("talk.txt, line 2: a comment (#), left out.",)


def test_time_in_brackets_after_name_lines_is_refused(tmp_path):
    file = tmp_path / "talk.txt"
    file.write_text("Mara  0:00\nso it is\n\n[00:00:07] Mara and so on\n")
    with pytest.raises(
        InputError, match="line 4: a time, or a name and a time, written differently"
    ):
        read_transcript(file)
    file.write_text("Mara  0:00\nso it is\n10:30 is fine for me\n")
    (conversation,) = read_transcript(file)
    assert conversation.utterances[0].text == "so it is 10:30 is fine for me"


def test_words_ending_in_a_time_are_not_a_heading(tmp_path):
    file = tmp_path / "talk.txt"
    file.write_text("Mara so I come at 10:30\nTom: so do I\n")
    with pytest.raises(InputError, match="line 1: a name and a time, where other lines are"):
        read_transcript(file)


@pytest.mark.parametrize(
    "content",
    [
        "Zoë: Hello\nTom: Hi\nZoe\u0308: Bye",
        "小明：你好\n小红：我很好：真的\n小明： 好",
        "**Ann:** Hello\n**Bob**: Hi\n- **Ann:** Bye",
        "\u200e[12.03.24, 10:15:32] Ann: \u200eHello\n[12.03.24, 10:15:40] \u202aBob\u202c: Hi\n"
        "\u200e[12.03.24, 10:16:32] Ann: Bye",
        "**[00:03] Ann:** Hello\n[00:05] **Bob:** Hi\n**[0:07] Ann**: Bye",
    ],
    ids=["two spellings", "full-width colons", "bold", "direction marks", "bold with times"],
)
def test_names_without_their_marks(read, content):
    """Markdown, chats of phones and other keyboards write names with marks that nobody says."""
    transcript = read(content)
    first, second, third = (u.speaker for c in transcript for u in c.utterances)
    assert first == third != second
    assert first.isalpha()
    assert second.isalpha()
    assert not any(set("*\u200e") & set(u.text) for c in transcript for u in c.utterances)


def test_bold_words_stay(read):
    assert rows(read("Ann: it is **very**: good\n")) == [("Ann", None, "it is **very**: good")]


def test_names_that_differ_only_in_case_are_remarked_on(read):
    transcript = read("Ann: Hello\nANN: Hi\nBob: Bye")
    assert transcript.remarks == (
        "talk.txt: speakers whose names differ only in case are different people: 'Ann' and 'ANN'.",
    )
