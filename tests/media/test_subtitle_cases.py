"""Subtitles as other programs write them: the right utterances and remarks."""

from pathlib import Path

import pytest

from mmerc.media.subtitles import read_subtitles

CASES = Path(__file__).parent / "data" / "cases"
TALK = [
    (0.1, 2.0, "Hello everyone, welcome back."),
    (2.0, 4.2, "I am so happy that you came today."),
    (4.3, 6.5, "Oh no. Why did nobody tell me about this?"),
    (6.5, 8.0, "That is terrible news."),
]


def cues(*texts, webvtt=False):
    """Consecutive cues of two seconds."""
    blocks = [
        f"{number}\n00:00:{2 * number:02d}.000 --> 00:00:{2 * number + 2:02d}.000\n{text}\n"
        for number, text in enumerate(texts, start=1)
    ]
    head = "WEBVTT\n\n" if webvtt else ""
    return head + "\n".join(blocks if webvtt else [block.replace(".", ",", 2) for block in blocks])


def spoken(subtitles):
    return [(item.speaker, item.text) for item in subtitles.utterances]


def timed(subtitles):
    return [(item.start, item.end, item.speaker, item.text) for item in subtitles.utterances]


def expected(*speakers):
    return [(start, end, who, text) for who, (start, end, text) in zip(speakers, TALK, strict=True)]


# The files of data/cases


def test_speakers_in_brackets():
    subtitles = read_subtitles(CASES / "speaker-in-brackets.srt")
    assert timed(subtitles) == expected("SPEAKER_00", "SPEAKER_00", "SPEAKER_01", "SPEAKER_01")
    assert subtitles.remarks == ()


def test_broadcast_chevrons():
    subtitles = read_subtitles(CASES / "broadcast-chevrons.vtt")
    assert timed(subtitles) == expected("unknown", "MARA", "unknown", "")[:3]
    assert subtitles.remarks == (
        "broadcast-chevrons.vtt, lines 3 and 9: the speaker is not named.",
    )


def test_zoom_speaker_names():
    subtitles = read_subtitles(CASES / "zoom-names.vtt")
    assert timed(subtitles) == expected(
        "Ludwig van Beethoven",
        "sam's iPhone",
        "Maria (she/her)",
        "Prof. Dr. Anna Maria Lopez Garcia",
    )
    assert subtitles.remarks == ()


def test_teams_voice_tags():
    subtitles = read_subtitles(CASES / "teams-voice-tags.vtt")
    alexandra = "Featherstonehaugh-Cholmondeley, Alexandra (Ext)"
    assert timed(subtitles) == expected(alexandra, alexandra, "O'Brien, Sam (R&D)", "Ng Ngoc")
    assert subtitles.remarks == ()


def test_youtube_rolling_captions():
    subtitles = read_subtitles(CASES / "rolling-captions.vtt")
    assert timed(subtitles) == [
        (0.16, 2.0, "unknown", "hello everyone welcome back"),
        (2.0, 4.2, "unknown", "I am so happy you came"),
        (4.2, 6.5, "unknown", "oh no why did nobody"),
        (6.5, 8.5, "unknown", "tell me about this"),
    ]
    assert subtitles.remarks == (
        "rolling-captions.vtt, line 5: rolling captions: each line is read once.",
    )


def test_damaged_times_keep_cues_separate_and_are_reported():
    subtitles = read_subtitles(CASES / "unreadable-times.srt")
    good = expected("Mara", "Mara", "Tom", "Tom")
    good[1], good[3] = (None, None, *good[1][2:]), (None, None, *good[3][2:])
    assert timed(subtitles) == good
    assert subtitles.remarks == (
        "unreadable-times.srt, lines 6 and 14: times that cannot be read; the words are kept "
        "without sound and face.",
    )


def test_times_without_milliseconds_are_read_and_reported():
    subtitles = read_subtitles(CASES / "unreadable-times.vtt")
    assert timed(subtitles) == [
        (0.98, 2.0, "Mara", "Hello everyone"),
        (2.98, 4.68, "Tom", "Oh no"),
        (5.0, 6.0, "Mara", "This is terrible"),
        (6.3, 8.29, "Tom", "Why"),
    ]
    assert subtitles.remarks == (
        "unreadable-times.vtt, lines 4 and 12: times without milliseconds are read as whole "
        "seconds.",
    )


def test_negative_times_and_zero_length_cues():
    subtitles = read_subtitles(CASES / "negative-times.srt")
    assert timed(subtitles) == [
        (0.0, 1.0, "Mara", "Hello everyone."),
        (0.9, 3.0, "Mara", "Welcome back."),
        (2.5, 2.5, "Tom", "Oh no."),
    ]
    assert [remark.partition(": ")[0] for remark in subtitles.remarks] == [
        "negative-times.srt, line 2",
        "negative-times.srt, line 10",
    ]


# Labels


@pytest.mark.parametrize(
    ("text", "speaker"),
    [
        ("(speaker 0) Hello.", "speaker 0"),
        ("[Speaker 1] Hello.", "Speaker 1"),
        ("[speaker:0]\nHello.", "speaker:0"),
        ("SPEAKER_01 Hello.", "SPEAKER_01"),
        ("speaker_1: Hello.", "speaker_1"),
        ("spk_0: Hello.", "spk_0"),
        ("Speaker A: Hello.", "Speaker A"),
        ("Guest-1: Hello.", "Guest-1"),
        ("[Mara]: Hello.", "Mara"),
        ("<b>MARA:</b> Hello.", "MARA"),
        ("Müller, Jörg: Hello.", "Müller, Jörg"),
        ("van der Berg: Hello.", "van der Berg"),
        ("iPhone (2): Hello.", "iPhone (2)"),
        ("+1 555-010-9999: Hello.", "+1 555-010-9999"),
        ("O&#39;Brien &amp; Sons: Hello.", "O'Brien & Sons"),
        ("张三：Hello.", "张三"),
        ("&gt;&gt; Mara Jones: Hello.", "Mara Jones"),
        (">>> MARA: Hello.", "MARA"),
        ("- MARA: Hello.", "MARA"),
        ("<v Mara &amp; Tom>Hello.</v>", "Mara & Tom"),
        ("<v.loud Mara>Hello.", "Mara"),
    ],
)
def test_speaker_label_is_not_part_of_the_words(read, text, speaker):
    subtitles = read(cues(text, "Tom: Yes.", text))
    assert spoken(subtitles)[::2] == [(speaker, "Hello.")] * 2
    assert subtitles.remarks == ()


def test_unknown_speaker_of_diarisation(read):
    subtitles = read(cues("(speaker 0) Hello.", "(speaker ?) Yes."))
    assert spoken(subtitles) == [("speaker 0", "Hello."), ("unknown", "Yes.")]
    assert subtitles.remarks == ("talk.srt, line 6: the speaker is not named.",)


def test_whisper_speaker_turns(read):
    subtitles = read(cues("Hello. [SPEAKER_TURN]", "Yes? [SPEAKER_TURN] No."))
    assert spoken(subtitles) == [("unknown", "Hello."), ("unknown", "Yes?"), ("unknown", "No.")]
    assert subtitles.remarks == ("talk.srt, lines 2 and 6: the speaker is not named.",)


def test_chevrons_change_the_speaker_anywhere(read):
    subtitles = read(cues(">> MARA: Hello. >> Yes?", ">> TOM: No.", "Never."))
    assert spoken(subtitles) == [
        ("MARA", "Hello."), ("unknown", "Yes?"), ("TOM", "No."), ("TOM", "Never."),
    ]  # fmt: skip
    assert subtitles.remarks == ("talk.srt, line 2: the speaker is not named.",)


def test_several_dashes_on_one_line(read):
    subtitles = read(cues("- Yes. - No, never.", "- It is -5. - Oh."))
    assert [text for _, text in spoken(subtitles)] == ["Yes.", "No, never.", "It is -5.", "Oh."]


def test_known_name_inside_a_line_starts_a_new_speaker(read):
    subtitles = read(cues("MARA: Hello. TOM: Yes.", "TOM: No.", "well\nTOM: Oh.", "a\nJIM: b"))
    assert spoken(subtitles) == [
        ("MARA", "Hello."), ("TOM", "Yes."), ("TOM", "No."),
        ("unknown", "well"), ("TOM", "Oh."), ("unknown", "a"), ("JIM", "b"),
    ]  # fmt: skip


def test_sentence_with_a_colon_is_not_a_label(read):
    texts = [
        "I said this: no.",
        "My view: that is bad.",
        "he told me one thing: no.",
        "At 10:30: go",
    ]
    subtitles = read(cues(*texts))
    assert spoken(subtitles) == [("unknown", text) for text in texts]
    assert subtitles.remarks == ()


def test_undecidable_name_is_reported(read):
    subtitles = read(cues("sam's iPhone: Hello.", "Yes.", "No."))
    assert spoken(subtitles)[0] == ("unknown", "sam's iPhone: Hello.")
    assert subtitles.remarks == (
        "talk.srt, line 2: kept as words, though it may be a speaker's name (\"sam's iPhone\").",
    )


def test_single_use_name_is_reported_as_doubtful(read):
    subtitles = read(cues("Hello.", "Remember: never.", "Yes.", "No."))
    assert spoken(subtitles)[1] == ("Remember", "never.")
    assert subtitles.remarks == (
        "talk.srt, line 6: read as a speaker's name, though it occurs once ('Remember').",
        "talk.srt, lines 2, 10 and 14: the speaker is not named.",
    )


def test_name_in_brackets_counts_if_it_occurs_elsewhere(read):
    subtitles = read(cues("[Mara] Hello.", "Mara: Yes.", "[Applause] No.", "[Tom] Oh."))
    assert spoken(subtitles) == [
        ("Mara", "Hello."),
        ("Mara", "Yes."),
        ("unknown", "[Applause] No."),
        ("unknown", "[Tom] Oh."),
    ]
    assert (
        "talk.srt, line 14: kept as words, though it may be a speaker's name or a described sound "
        "('Tom')."
    ) in subtitles.remarks


# Cues


def test_whisper_cpp_output(read):
    subtitles = read(
        "[00:00:00.000 --> 00:00:04.000]   Hello.\n[00:00:04.000 --> 00:00:06.500]   Yes.\n",
        "talk.txt",
    )
    assert timed(subtitles) == [(0, 4, "unknown", "Hello."), (4, 6.5, "unknown", "Yes.")]


def test_youtube_sbv(read):
    subtitles = read("0:00:01.000,0:00:02.500\nHello.\n\n0:00:03.000,0:00:04.000\nYes.\n", "t.sbv")
    assert timed(subtitles) == [(1, 2.5, "unknown", "Hello."), (3, 4, "unknown", "Yes.")]


@pytest.mark.parametrize(
    "times",
    [
        "00:00:01,500 -> 00:00:02,500",
        "00:00:01,500 –> 00:00:02,500",
        "00: 00: 01, 500 -> 00: 00: 02, 500",
        "00:00:01.500-->00:00:02.500 X1:40 X2:600",
        "0:1,5 --> 0:2,5",
        "00:00:01:500 --> 00:00:02:500",
    ],
)
def test_hand_written_and_translated_times(read, times):
    subtitles = read(f"1\n{times}\nHello.\n\n2\n00:00:03,000 --> 00:00:04,000\nYes.\n")
    assert timed(subtitles) == [(1.5, 2.5, "unknown", "Hello."), (3, 4, "unknown", "Yes.")]
    assert subtitles.remarks == ()


@pytest.mark.parametrize(
    "times",
    [
        "00:00:01:12 --> 00:00:02:00",
        "00:00:61,000 --> 00:00:62,000",
        "later --> sooner",
        "-->",
        "00:00:01,000 -->",
        "00:00:01,000 --",
    ],
)
def test_unreadable_times_are_reported(read, times):
    subtitles = read(f"1\n00:00:03,000 --> 00:00:04,000\nYes.\n\n2\n{times}\nHello.\n")
    assert timed(subtitles) == [(3, 4, "unknown", "Yes."), (None, None, "unknown", "Hello.")]
    assert subtitles.remarks == (
        "talk.srt, line 6: times that cannot be read; the words are kept without sound and face.",
    )


def test_arrow_among_words_is_kept_and_reported(read):
    subtitles = read(cues("From here\n--> to there", "5 -> 6"))
    assert spoken(subtitles) == [("unknown", "From here --> to there"), ("unknown", "5 -> 6")]
    assert subtitles.remarks == ("talk.srt, line 4: '-->' without times is read as words.",)


def test_cue_numbers_without_empty_lines_are_not_words(read):
    content = cues("Hello.", "Yes.", "7").replace("\n\n", "\n")
    assert [text for _, text in spoken(read(content))] == ["Hello.", "Yes.", "7"]


def test_double_spaced_lines(read):
    content = cues("Hello.", "Yes.").replace("\n", "\n\n")
    assert [text for _, text in spoken(read(content))] == ["Hello.", "Yes."]
    subtitles = read(cues("Hello.", "Yes.", webvtt=True).replace("\n", "\n\n"), "talk.vtt")
    assert [text for _, text in spoken(subtitles)] == ["Hello.", "Yes."]


def test_words_outside_cues_are_reported(read):
    content = cues("Hello.", "Yes.", webvtt=True).replace("\n\n2\n", "\n\nlost words\n\n2\n")
    subtitles = read(content, "talk.vtt")
    assert [text for _, text in spoken(subtitles)] == ["Hello.", "Yes."]
    assert subtitles.remarks == ("talk.vtt, line 7: text outside of any cue is left out.",)
    assert read("words\n\n" + cues("Hello.")).remarks == (
        "talk.srt, line 1: text outside of any cue is left out.",
    )


def test_cues_without_words_are_reported(read):
    subtitles = read(cues("Hello.", "♪ la ♪", "[door slams]", "", "(sighs)", "Yes."))
    assert [text for _, text in spoken(subtitles)] == ["Hello.", "Yes."]
    assert subtitles.remarks == (
        "talk.srt, lines 6, 10, 14 and 18: no words (nothing, music, or described sounds), left "
        "out.",
    )


def test_wordless_turn_next_to_words_is_reported(read):
    subtitles = read(cues("- ♪ la ♪\n- Yes.", "- Hello."))
    assert [text for _, text in spoken(subtitles)] == ["Yes.", "Hello."]
    assert subtitles.remarks == (
        "talk.srt, line 2: no words (nothing, music, or described sounds), left out.",
    )


def test_words_in_the_header_are_reported(read):
    content = cues("Hello.", webvtt=True)
    fields = "WEBVTT - a title\nKind: captions\nX-TIMESTAMP-MAP=LOCAL:00:00:00.000,MPEGTS:0"
    assert len(read(content.replace("WEBVTT", fields), "talk.vtt").remarks) == 1  # the clock
    subtitles = read(content.replace("WEBVTT", "WEBVTT\nAnn: lost words"), "talk.vtt")
    assert subtitles.remarks == ("talk.vtt, line 2: text outside of any cue is left out.",)


def test_repeated_cues_are_joined_and_reported(read):
    subtitles = read(cues("Ann: No.", "Ann: No.", "Bob: No."))
    assert timed(subtitles) == [(2, 6, "Ann", "No."), (6, 8, "Bob", "No.")]
    assert subtitles.remarks == (
        "talk.srt, line 6: a cue repeats the previous one and is joined to it.",
    )


def test_rolling_captions_without_word_times(read):
    subtitles = read(cues("one", "one\ntwo", "two\nthree", "three\nfour", "four\nfive"))
    assert timed(subtitles) == [
        (2.0 * n, 2.0 * n + 2, "unknown", text)
        for n, text in enumerate(["one", "two", "three", "four", "five"], start=1)
    ]


def test_cue_that_ends_before_it_starts(read):
    subtitles = read("1\n00:00:03,000 --> 00:00:02,000\nOh.\n")
    assert timed(subtitles) == [(3, 3, "unknown", "Oh.")]
    assert "ends before it starts" in subtitles.remarks[0]


def test_entities_and_odd_tags(read):
    subtitles = read(cues("R&amp;B &lt;3 <sighs> {well} <br>x"))
    assert spoken(subtitles) == [("unknown", "R&B <3 <sighs> {well} x")]


def test_ass_with_custom_columns_and_a_damaged_line(read):
    subtitles = read(
        "[Events]\nFormat: Start, End, Name, Text\n"
        "Dialogue: 0:00:01.00,0:00:02.00,R&amp;D,Hello, you\n"
        "Dialogue: 0:00:0x.00,0:00:02.00,Tom,Yes.\n"
        "Dialog: 0:00:01.00,0:00:02.00,Tom,No.\nDialogue: 0:00:01.00\n",
        "talk.ass",
    )
    assert timed(subtitles) == [(1, 2, "R&D", "Hello, you"), (None, None, "Tom", "Yes.")]
    assert [remark.partition(": ")[0] for remark in subtitles.remarks] == [
        "talk.ass, line 4",
        "talk.ass, lines 5 and 6",
    ]


def test_webvtt_timestamp_map_header(read):
    content = cues("Hello.", webvtt=True).replace(
        "WEBVTT", "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:900000,LOCAL:00:00:00.000"
    )
    assert "a broadcast's clock" in read(content, "talk.vtt").remarks[0]
