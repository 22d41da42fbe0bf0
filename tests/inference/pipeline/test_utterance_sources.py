"""Where utterances come from, and remarks if they are doubtful."""

import json
import shutil
import sys

import numpy as np
import pytest
import soundfile

from mmerc.conversation import Utterance
from mmerc.errors import InputError
from mmerc.inference.pipeline.progress import ignore_progress
from mmerc.inference.pipeline.source_remarks import (
    missing_speaker_remarks,
    uncertainty_remarks,
    wordless_remarks,
)
from mmerc.inference.pipeline.subtitle_match import matches_speech
from mmerc.inference.pipeline.utterance_sources import FromSpeech, FromSubtitles, _build_utterances
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import probe
from mmerc.media.segment import MediaError
from mmerc.media.sentences import Word
from mmerc.media.speaker_turns import Turn
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.subtitles import read_subtitles
from mmerc.media.transcription import Transcript
from mmerc.media.voice_activity import Span, find_speech
from short_films import EXAMPLES

UNCHECKED = "Could not check whether the subtitles match the speech: "


def spans(*times):
    return tuple(Span(start, end) for start, end in times)


def turns(*items):
    return tuple(Turn(speaker=name, start=start, end=end) for name, start, end in items)


def utterances(*times):
    return [
        Utterance(id=str(i), speaker="a", text="yes", start=start, end=end)
        for i, (start, end) in enumerate(times)
    ]


def srt(path, *cues):
    blocks = [
        f"{i}\n00:{int(start) // 60:02}:{int(start) % 60:02},000 --> "
        f"00:{int(end) // 60:02}:{int(end) % 60:02},000\n{text}\n"
        for i, (start, end, text) in enumerate(cues)
    ]
    path.write_text("\n".join(blocks))
    return path


# Spans and turns


def transcript(start, end, *words):
    """A span of speech and its words: text, start, end."""
    return Transcript(
        span=Span(start, end),
        text=" ".join(text for text, _, _ in words),
        language=None,
        uncertain=not words,
        words=tuple(Word(text=text, start=first, end=last) for text, first, last in words),
    )


def test_utterances_are_sentences_of_one_speaker_each():
    transcripts = [
        transcript(0, 4, ("Are", 0.1, 0.3), ("you", 0.3, 0.6), ("in?", 0.6, 1.4),
                   ("Yes,", 1.6, 2.1), ("come", 2.1, 2.6), ("up.", 2.6, 3.8)),
        transcript(6, 7),
    ]  # fmt: skip
    who = turns(("A", 0, 1.5), ("B", 1.5, 4), ("A", 6, 7))
    built, doubtful = _build_utterances(transcripts, who)
    assert set(doubtful.values()) == {()}
    assert [(u.id, u.speaker, u.text, u.start, u.end) for u in built] == [
        ("1", "A", "Are you in?", 0.1, 1.4),
        ("2", "B", "Yes, come up.", 1.6, 3.8),
        ("3", "A", "", 6, 7),
    ]


def test_wordless_turns_are_utterances_with_a_remark():
    said = [transcript(0, 9, ("Are", 0.4, 0.6), ("you", 0.6, 0.9), ("in?", 0.9, 1.3))]
    who = turns(("A", 0.1, 1.6), ("B", 1.2, 2.0), ("A", 5, 5.3))
    built, _ = _build_utterances(said, who, edges=who, voices=who)
    assert [(u.speaker, u.text, u.start, u.end) for u in built] == [
        ("A", "Are you in?", 0.1, 1.6),
        ("B", "", 1.2, 2.0),
    ]
    assert wordless_remarks(built) == (
        "In 1 of 2 utterances no word was recognised: their emotions are predicted without "
        "words, and marked as doubtful.",
    )
    assert wordless_remarks(built[:1]) == ()


def test_fewer_speakers_than_stated_gives_a_remark():
    heard = turns(("A", 0, 1), ("B", 1, 2), ("A", 2, 3))
    assert missing_speaker_remarks(heard, SpeakerCount(3, 4)) == (
        "2 of the 3 requested speakers could be distinguished by voice.",
    )
    assert missing_speaker_remarks(heard, SpeakerCount(2, 2)) == ()


# Subtitles of this recording or of another one

TALK = [(1, 3), (4, 6), (8, 9), (12, 15), (16, 17)]


@pytest.mark.parametrize(
    ("cues", "spoken", "expected"),
    [
        (TALK, TALK, True),
        ([(start - 0.3, end + 0.5) for start, end in TALK], TALK, True),
        (TALK, [(start + 0.2, start + 1) for start, _ in TALK], True),
        ([(3, 4), (6, 8), (9, 12), (15, 16)], TALK, False),
        ([(start + 2.5, end + 2.5) for start, end in TALK], TALK, False),
        (TALK, [], False),
        (TALK, [(1, 1.5), (20, 40)], False),
        ([(0, 18)], TALK, True),
        (TALK, [(0, 18)], True),
        (TALK[:1], TALK, True),
        ([(1, 6), (8, 9), (12, 15)], [(2, 3), (5, 6), (8, 9), (14, 15)], True),
        ([(None, None)], TALK, True),
    ],
)
def test_agreement_of_cues_and_speech(cues, spoken, expected):
    assert matches_speech(utterances(*cues), spans(*spoken)) is expected


def test_matching_subtitles(films, find):
    actual = find(FromSubtitles(subtitles=films / "scene.srt"), films / "scene.mp4")
    assert actual.remarks == ()
    assert [(item.speaker, item.start) for item in actual.utterances] == [
        ("Lewis", 0.8),
        ("Nora", 4.797),
    ]


def test_subtitles_of_another_video():
    cues = {
        n: read_subtitles(EXAMPLES / f"{n}.srt").utterances for n in ("phone-call", "photograph")
    }
    spoken = find_speech(EXAMPLES / "photograph.mp4")
    assert {name: matches_speech(items, spoken) for name, items in cues.items()} == {
        "photograph": True,
        "phone-call": False,
    }


def test_some_cues_past_the_end(films, find, tmp_path):
    cues = [(1, 4, "Lewis: stand there"), (5, 7, "Nora: like this"), (60, 62, "Nora: bye")]
    actual = find(FromSubtitles(subtitles=srt(tmp_path / "x.srt", *cues)), films / "scene.mp4")
    assert actual.remarks == ("1 of 3 cues start after the end of the recording.",)
    assert len(actual.utterances) == 3


def test_all_cues_past_the_end(films, find, tmp_path):
    path = srt(tmp_path / "x.srt", (60, 62, "yes"), (63, 64, "no"))
    with pytest.raises(MediaError, match=r"all of its cues start after the end of scene\.mp4"):
        find(FromSubtitles(subtitles=path), films / "scene.mp4")


def test_cues_without_speech(find, tmp_path):
    path = tmp_path / "quiet.wav"
    soundfile.write(path, np.zeros(16000 * 8, np.float32), 16000)
    actual = find(FromSubtitles(subtitles=srt(tmp_path / "x.srt", (1, 4, "yes"))), path)
    assert len(actual.remarks) == 1
    assert "may belong to another recording" in actual.remarks[0]


def test_cues_with_only_music(films, find, tmp_path):
    path = srt(tmp_path / "x.srt", (1, 4, "[door slams]"), (5, 6, "♪ ♪"))
    with pytest.raises(MediaError, match="no words in any cue"):
        find(FromSubtitles(subtitles=path), films / "scene.mp4")


def test_cues_need_no_voice_activity_detector(films, find, monkeypatch):
    monkeypatch.setitem(sys.modules, "silero_vad", None)  # as if it were not installed
    actual = find(FromSubtitles(subtitles=films / "scene.srt"), films / "scene.mp4")
    assert len(actual.utterances) == 2
    (remark,) = actual.remarks
    assert remark.startswith(
        "Could not check whether the subtitles match the speech: The package silero-vad"
    )


def test_cues_need_no_readable_audio(films, find, tmp_path):
    soundfile.write(tmp_path / "x.flac", np.random.default_rng(0).normal(size=160000) / 9, 16000)
    whole = (tmp_path / "x.flac").read_bytes()
    middle = len(whole) // 2
    (tmp_path / "x.flac").write_bytes(whole[:middle] + bytes(9000) + whole[middle + 9000 :])
    actual = find(FromSubtitles(subtitles=films / "scene.srt"), tmp_path / "x.flac")
    (remark,) = actual.remarks
    assert remark.startswith(UNCHECKED)


def test_overlapping_cues_are_marked(films, find, tmp_path):
    cues = [(1, 4, "Ann: stand there"), (3, 6, "Bob: no"), (6, 7, "Ann: yes")]
    actual = find(FromSubtitles(subtitles=srt(tmp_path / "x.srt", *cues)), films / "scene.mp4")
    assert [actual.marks[u.id].overlap for u in actual.utterances] == [0.333, 0.333, 0.0]


def test_turns_name_speakers_if_cues_do_not(films, find, tmp_path):
    path = srt(tmp_path / "x.srt", (1, 4, "stand there"), (5, 7, "like this"))
    rttm = tmp_path / "x.rttm"
    rttm.write_text(
        "SPEAKER x 1 0.0 4.5 <NA> <NA> him <NA> <NA>\nSPEAKER x 1 4.5 3 <NA> <NA> her <NA> <NA>\n"
    )
    actual = find(FromSubtitles(subtitles=path, turns=rttm), films / "scene.mp4")
    assert [item.speaker for item in actual.utterances] == ["him", "her"]


@pytest.mark.parametrize(("end", "speaker"), [(9, "her"), (4.5, "unknown")])
def test_turns_name_speakers_of_unnamed_cues(films, find, tmp_path, end, speaker):
    path, rttm = tmp_path / "x.vtt", tmp_path / "x.rttm"
    cues = ("00:01.000 --> 00:04.000\n<v Mara>stand there", "00:05.000 --> 00:07.000\nlike this")
    path.write_text("\n\n".join(["WEBVTT", *cues]) + "\n")
    rttm.write_text(f"SPEAKER x 1 4 {end - 4} <NA> <NA> her <NA> <NA>\n")
    actual = find(FromSubtitles(subtitles=path, turns=rttm), films / "scene.mp4")
    assert [item.speaker for item in actual.utterances] == ["Mara", speaker]
    remarks = [line for line in actual.remarks if "speaker" in line]
    unnamed = "1 of 2 utterances have no speaker: no turn overlaps them."
    assert remarks == ([unnamed] if speaker == "unknown" else [])


@pytest.mark.parametrize("stage", ["subtitles", "turns", "turns of speech"])
def test_missing_files(films, tmp_path, stage):
    none, present = tmp_path / "none.srt", films / "scene.srt"
    stages = {
        "subtitles": FromSubtitles(subtitles=none),
        "turns": FromSubtitles(subtitles=present, turns=none),
        "turns of speech": FromSpeech(turns=none),
    }
    with pytest.raises(InputError, match=r"none\.srt: cannot be read \(no such file"):
        stages[stage].settings()


def test_changed_content_changes_the_settings(films, tmp_path):
    one = FromSubtitles(subtitles=films / "scene.srt").settings()
    shutil.copy(films / "scene.srt", tmp_path / "copy.srt")
    assert FromSubtitles(subtitles=tmp_path / "copy.srt").settings() == one
    (tmp_path / "copy.srt").write_text("another")
    assert FromSubtitles(subtitles=tmp_path / "copy.srt").settings() != one
    assert FromSpeech(language="en").settings() != FromSpeech().settings()


# Speech


def test_words_of_a_killed_run_are_reused(films, tmp_path):
    stage, steps = FromSpeech(), []
    info = probe(films / "sound.m4a")
    with WorkFolder.open(tmp_path / "work", of=stage.settings()) as work:
        first = stage(films / "sound.m4a", info, work=work, report=ignore_progress)
        path = tmp_path / "work" / "words.jsonl"
        lines = path.read_text().splitlines()
        kept = json.loads(lines[0])
        kept["words"][0]["text"] = "Kept"
        kept = json.dumps(kept)
        path.write_text(f"{kept}\n{lines[1][:30]}")
        again = stage(films / "sound.m4a", info, work=work, report=steps.append)
    assert [item.text.split()[1:] for item in again.utterances[:1]] == [
        item.text.split()[1:] for item in first.utterances[:1]
    ]
    assert again.utterances[0].text.split()[0] == "Kept"
    assert again.utterances[1:] == first.utterances[1:]
    assert [(step.stage, step.done) for step in steps] == [
        ("speakers", 0),
        ("words", 1),
        ("words", 2),
    ]
    assert {"light", "better"} <= set(first.utterances[0].text.lower().replace(".", "").split())


def test_no_audio_or_no_speech(films, find, tmp_path):
    with pytest.raises(MediaError, match="the file has no sound to transcribe"):
        find(FromSpeech(), films / "mute.mp4")
    soundfile.write(tmp_path / "quiet.wav", np.zeros(32000, np.float32), 16000)
    with pytest.raises(MediaError, match="no speech detected"):
        find(FromSpeech(), tmp_path / "quiet.wav")


@pytest.mark.parametrize(("uncertain", "doubted"), [(0, False), (2, False), (3, True), (4, True)])
def test_words_that_are_mostly_uncertain(uncertain, doubted):
    items = [
        Transcript(span=Span(i, i + 1), text="x", language=None, uncertain=i < uncertain)
        for i in range(4)
    ]
    assert [
        f"The words of {uncertain} of 4 utterances are uncertain" in line
        for line in uncertainty_remarks(items)
    ] == ([True] if doubted else [])
