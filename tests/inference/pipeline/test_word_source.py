"""Utterances from other programs' words, with speakers from words, turns or voices."""

import pytest

from mmerc.errors import InputError, UsageError
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.pipeline.word_source import FromWords
from mmerc.media.segment import MediaError

LINES = (  # within the speech of the film
    "scene 1 0.90 0.4 Stand 0.9 lex", "scene 1 1.40 0.6 there. 0.4 lex",
    "scene 1 4.90 0.4 Like 0.9 lex", "scene 1 5.40 0.6 this? 0.9 lex",
)  # fmt: skip
SPEAKERS = ("Lewis", "Lewis", "Nora", "Nora")
TURNS = "SPEAKER s 1 0 4 <NA> <NA> him <NA> <NA>\nSPEAKER s 1 4 3 <NA> <NA> her <NA> <NA>\n"


@pytest.fixture
def ctm(tmp_path):
    """A function that writes words with or without speakers."""

    def write(*speakers, shift=0.0):
        lines = []
        for number, line in enumerate(LINES):
            fields = [*line.split(), *speakers[number : number + 1]]
            fields[2] = f"{float(fields[2]) + shift:.2f}"
            lines.append(" ".join(fields))
        path = tmp_path / "scene.ctm"
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def rttm(tmp_path):
    path = tmp_path / "scene.rttm"
    path.write_text(TURNS)
    return path


def summary(segmentation):
    return [(u.speaker, u.text, u.start, u.end) for u in segmentation.utterances]


def test_speakers_of_the_words(films, find, ctm):
    actual = find(FromWords(words=ctm(*SPEAKERS)), films / "scene.mp4")
    assert summary(actual) == [
        ("Lewis", "Stand there.", 0.9, 2.0),
        ("Nora", "Like this?", 4.9, 6.0),
    ]
    assert actual.remarks == ()


def test_turns_replace_the_speakers_of_the_words(films, find, ctm, rttm):
    actual = find(FromWords(words=ctm(*SPEAKERS), turns=rttm), films / "scene.mp4")
    assert [u.speaker for u in actual.utterances] == ["him", "her"]
    assert actual.remarks == ("Speakers are those of scene.rttm, not those of scene.ctm.",)


def test_turns_without_words_are_reported(films, find, ctm, rttm):
    rttm.write_text(rttm.read_text() + "SPEAKER s 1 5 0.6 <NA> <NA> child <NA> <NA>\n")
    actual = find(FromWords(words=ctm(*SPEAKERS), turns=rttm), films / "scene.mp4")
    assert [u.speaker for u in actual.utterances] == ["him", "her"]
    assert actual.remarks[1].startswith("1 of 3 turns (child) have no words")


def test_words_without_speakers_take_the_neighbouring_speaker(films, find, ctm):
    actual = find(FromWords(words=ctm("Lewis", "<NA>", "Nora")), films / "scene.mp4")
    assert [u.speaker for u in actual.utterances] == ["Lewis", "Nora"]
    assert actual.remarks == ("2 of 4 words have no speaker; they get those of their neighbours.",)


def test_voices_decide_if_nothing_else_does(films, find, ctm):
    actual = find(FromWords(words=ctm()), films / "scene.mp4")
    assert {u.speaker for u in actual.utterances} <= {"SPEAKER_01", "SPEAKER_02"}
    silent = find(FromWords(words=ctm()), films / "mute.mp4")
    assert {u.speaker for u in silent.utterances} == {"unknown"}
    assert "The speakers are unknown" in silent.remarks[0]


def test_words_of_another_recording(films, find, ctm):
    with pytest.raises(MediaError, match=r"all of its sentences start after the end of scene\.mp4"):
        find(FromWords(words=ctm(*SPEAKERS, shift=60)), films / "scene.mp4")
    actual = find(FromWords(words=ctm(*SPEAKERS, shift=3.9)), films / "scene.mp4")
    assert actual.remarks[0] == "1 of 2 sentences start after the end of the recording."


def test_pipeline_with_words(films, models, ctm):
    pipeline = Pipeline.from_pretrained(models / "read", workers=1)
    analysis = pipeline(films / "scene.mp4", words=ctm(*SPEAKERS), names={"Lewis": "Mara"})
    assert [item.speaker for item in analysis.predictions] == ["Mara", "Nora"]
    with pytest.raises(UsageError, match="give --subtitles or --words, not both"):
        pipeline(films / "scene.mp4", words=ctm(), subtitles=films / "scene.srt")
    with pytest.raises(InputError, match=r"none\.ctm: cannot be read"):
        pipeline(films / "scene.mp4", words="none.ctm")
