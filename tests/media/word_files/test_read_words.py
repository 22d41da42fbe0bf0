"""Timed words in every format, and unreadable ones."""

import json

import pytest
import word_shapes as shapes
from hypothesis import given, settings
from hypothesis import strategies as st

from mmerc.errors import InputError
from mmerc.media.sentences import split_sentences
from mmerc.media.word_files.reader import read_words

WORDS = [word for _, words in shapes.SENTENCES for word in words]


@pytest.fixture
def read(tmp_path):
    """A function that writes content to a file with a neutral name, and reads it."""

    def write_and_read(content):
        return read_words(shapes.write(tmp_path / "talk.words", content))

    return write_and_read


def timed(words):
    return [(word.text, word.start, word.end) for word in words]


@pytest.mark.parametrize(
    "content",
    [
        shapes.whisperx(),
        shapes.openai(),
        shapes.openai()["segments"],
        shapes.whisper_cpp(),
        shapes.ctm(),
    ],
    ids=["whisperx", "openai-whisper", "faster-whisper", "whisper.cpp", "ctm"],
)
def test_same_words_in_every_json_layout(read, content):
    actual = read(content)
    assert timed(actual.words) == WORDS
    assert actual.remarks == ()
    assert {word.probability for word in actual.words} == {0.9}


@pytest.mark.parametrize("content", [shapes.whisperx(), shapes.openai(), shapes.whisper_cpp()])
def test_language_is_stated(read, content):
    assert read(content).language == "en"


@pytest.mark.parametrize("content", [shapes.whisperx(), shapes.ctm()])
def test_speakers_of_the_words(read, content):
    sentences = split_sentences(read(content).words)
    assert [(item.speaker, item.text) for item in sentences] == [
        ("SPEAKER_00", "Hello everyone."),
        ("SPEAKER_01", "I am well-known."),
    ]


@pytest.mark.parametrize(("label", "speaker"), [("0", "speaker 0"), ("?", None)])
def test_whisper_cpp_stereo_speakers(read, label, speaker):
    words = read(shapes.whisper_cpp(speaker=label)).words
    assert {word.speaker for word in words} == {speaker}


@pytest.mark.parametrize(
    "content",
    [shapes.whisperx(speakers=False), shapes.openai(), shapes.ctm(speakers=False)],
)
def test_words_without_speakers(read, content):
    words = read(content).words
    assert {word.speaker for word in words} == {None}
    assert {item.speaker for item in split_sentences(words)} == {"unknown"}


def test_unaligned_words_of_whisperx(read):
    actual = read(shapes.whisperx(untimed=("I", "am", "everyone.")))
    assert timed(actual.words) == [
        ("Hello", 0.1, 0.5),
        ("everyone.", 0.5, 1.2),
        ("I", 2.0, 2.15),
        ("am", 2.15, 2.3),
        ("well-known.", 2.3, 3.1),
    ]
    (remark,) = actual.remarks
    assert remark == (
        "talk.words: 3 of 5 words have no times; they are placed between their neighbours."
    )


def test_nan_numbers_of_whisperx_are_missing(read):
    content = shapes.whisperx()
    content["segments"][0]["words"][1] |= dict.fromkeys(("start", "end", "score"), float("nan"))
    actual = read(content)
    assert timed(actual.words)[1] == ("everyone.", 0.5, 1.2)
    assert actual.words[1].probability == 1
    (remark,) = actual.remarks
    assert "1 of 5 words have no times" in remark


def test_channels_of_a_call_are_speakers(read):
    call = "call A 0.1 0.3 hello\ncall B 0.9 0.2 hi\ncall A 1.3 0.2 yes\n"
    assert [word.speaker for word in read(call).words] == ["channel A", "channel B", "channel A"]
    named = call.replace("hi", "hi 1 lex Mara")
    assert [word.speaker for word in read(named).words] == [None, "Mara", None]
    assert {word.speaker for word in read(call.replace("B", "A")).words} == {None}


def test_first_alternative_is_used(read):
    lines = ["* * <ALT_BEGIN>", "0 0.2 uh", "* * <ALT>", "0 0.2 um", "* * <ALT_END>", "1 0.2 yes"]
    actual = read("".join(f"talk 1 {line}\n" for line in lines))
    assert [word.text for word in actual.words] == ["uh", "yes"]
    assert actual.remarks == ("talk.words, line 4: another alternative, left out ('um').",)


@pytest.mark.parametrize("full", [True, False])
def test_speaker_change_mark_is_not_a_word(read, full):
    content = shapes.whisper_cpp(full=full)
    first = content["transcription"][0]
    first["text"] += " [SPEAKER_TURN]"
    if full:
        first["tokens"].append(first["tokens"][-1] | {"text": " [SPEAKER_TURN]"})
    assert [word.text for word in read(content).words] == [text for text, _, _ in WORDS]


@pytest.mark.parametrize("content", [shapes.openai(words=False), shapes.whisper_cpp(full=False)])
def test_words_of_untimed_segments_share_the_time(read, content):
    actual = read(content)
    assert [word.text for word in actual.words] == [text for text, _, _ in WORDS]
    assert timed(actual.words)[0] == ("Hello", 0.1, pytest.approx(0.1 + 1.1 * 5 / 14, abs=1e-3))
    assert actual.words[-1].end == 3.1
    assert actual.remarks[0].startswith("talk.words: 2 of 2 segments have no times of words")


def test_words_at_file_level(read):
    words = [{"word": text, "start": start, "end": end} for text, start, end in WORDS]
    assert timed(read({"text": "", "words": words, "segments": []}).words) == WORDS
    assert timed(read({"word_segments": words}).words) == WORDS


def test_character_split_between_tokens(tmp_path):
    content = shapes.whisper_cpp()
    text = json.dumps(content, ensure_ascii=False)
    snowman = "\N{SNOWMAN}".encode()
    data = text.encode().replace(b'" every"', b'" ' + snowman[:1] + b'"', 1)
    data = data.replace(b'"one"', b'"' + snowman[1:] + b'"', 1)
    (tmp_path / "talk.json").write_bytes(data)
    assert read_words(tmp_path / "talk.json").words[1].text == "\N{SNOWMAN}."


def test_scripts_without_spaces_keep_characters_separate(read):
    words = [("我", 0.0, 0.2), ("很", 0.2, 0.4), ("好。", 0.4, 0.9)]
    items = [{"word": text, "start": a, "end": b, "probability": 1} for text, a, b in words]
    segment = {"start": 0.0, "end": 0.9, "text": "我很好。", "words": items}
    actual = read({"segments": [segment], "language": "zh"})
    assert timed(actual.words) == words
    (sentence,) = split_sentences(actual.words)
    assert sentence.text == "我很好。"
    rough = read({"segments": [segment | {"words": []}]})
    assert [word.text for word in rough.words] == ["我", "很", "好", "。"]


def test_sound_descriptions_are_left_out(read):
    content = shapes.openai()
    content["segments"][0]["text"] = " [Music]"
    actual = read(content)
    assert [word.text for word in actual.words] == ["I", "am", "well-known."]
    assert actual.remarks == ("talk.words: 1 of 2 segments are sounds, not words; left out.",)
    lines = [*shapes.ctm().splitlines(), "talk 1 4 0.5 [cough]", "talk 1 5 0.5 uh NA non-lex"]
    actual = read("\n".join(lines))
    assert timed(actual.words) == WORDS
    assert actual.remarks == (
        "talk.words, lines 7 and 8: no spoken word, left out ('[cough]' and 'uh').",
    )


def test_words_without_punctuation_are_split_at_pauses(read):
    lines = [
        f"talk 1 {4 * group + 0.3 * n:.1f} 0.3 {'abcdefghij'[n]}{group}"
        for group in range(3)
        for n in range(10)
    ]
    assert [len(s.words) for s in split_sentences(read("\n".join(lines)).words)] == [10, 10, 10]


def word(**changes):
    content = shapes.openai()
    content["segments"][1]["words"][1] |= changes
    return content


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (word(start="0.5"), r"talk\.words, segment 2, word 2: start is '0\.5', not a time in sec"),
        (word(start=float("inf")), r"start is inf, not a time in seconds"),
        (word(end=-1), r"end is -1, not a time in seconds"),
        (word(start=True), r"start is True, not a time"),
        (word(end=1.0), r"it ends at 1 s, before it starts at 2\.1 s"),
        (word(probability=7), r"its probability is 7, not from 0 to 1"),
        (word(word=3), r"segment 2, word 2: it has no 'word'"),
        (word(end=10**400), r"not a time in seconds"),
        (word(probability=10**400), r"not from 0 to 1"),
        (word(end=2_300_000), r"'am' ends at 2\.3e\+06 s, after 100 hours; write times in sec"),
        ({"segments": [{"text": "x", "end": 1}]}, r"segment 1: start is None"),
        ({"segments": ["x"]}, r"segment 1: not an object"),
        ({"segments": "x"}, r"'segments' is not a list"),
        (
            {"utterances": []},
            r"no transcript \(it has none of 'segments', 'words' and 'transcription'",
        ),
        ({"segments": []}, r"no words in it"),
        ({"transcription": [{"text": "x"}]}, r"segment 1: offsets\.from is None"),
        ('{"segments": [', r"not JSON \("),
        ("[" * 100_000, "lists nested too deeply"),
        ('{"segments": [], "segments": []}', "the key 'segments' occurs twice"),
        ("Mara: hello\n", r"neither CTM nor the JSON of WhisperX"),
        ("1\n00:00:01,000 --> 00:00:02,000\nHello\n", r"subtitles belong to --subtitles"),
        (shapes.ctm() + "talk 1 1 2\n", r"talk\.words, line 7: 4 fields where 5 to 8"),
        (shapes.ctm() + "talk 1 * * yes\n", r"line 7: '\*' is not a time in seconds"),
        (shapes.ctm() + "talk 1 -1 2 yes\n", r"line 7: '-1' is not a time"),
        (shapes.ctm() + "talk 1 9 1 yes 95\n", r"line 7: '95' is not a confidence from 0 to 1"),
        (shapes.ctm() + "other 1 9 1 yes\n", r"words of 2 recordings \(talk, other\)"),
        ("talk 1 4 0.5 [cough]\n", r"no spoken words in it"),
    ],
)
def test_unreadable_input_is_refused(read, content, message):
    with pytest.raises(InputError, match=message):
        read(content)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        read_words(tmp_path / "none.json")


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner,
                                                                max_size=2),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_value_is_read_or_refused(tmp_path_factory, data):
    """One entry of a transcript at any level is replaced or removed."""
    content = data.draw(
        st.sampled_from([shapes.whisperx(), shapes.openai(), shapes.whisper_cpp(speaker="0")])
    )
    content = json.loads(json.dumps(content))
    place = content
    while True:
        key = data.draw(
            st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place)))
        )
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or data.draw(st.integers(0, 3)) == 0:
            break
        place = inner
    if data.draw(st.booleans()):
        place[key] = data.draw(JSON_VALUES)
    else:
        del place[key]
    path = tmp_path_factory.mktemp("any") / "talk.json"
    path.write_text(json.dumps(content))
    try:
        words = read_words(path).words
    except InputError as error:
        assert str(path) in str(error)
        return
    assert words
    assert all(0 <= word.start <= word.end <= 360_000 for word in words)
    split_sentences(words)


def test_recording_with_the_media_name_is_chosen(tmp_path):
    (tmp_path / "talk.words").write_text("talk 1 1 0.5 yes\nother 1 9 0.5 no\ntalk 1 2 0.5 well\n")
    words = read_words(tmp_path / "talk.words", media="films/talk.mp4").words
    assert [word.text for word in words] == ["yes", "well"]
    with pytest.raises(InputError, match=r"\(talk, other\), none of them called x"):
        read_words(tmp_path / "talk.words", media="x.mp4")
