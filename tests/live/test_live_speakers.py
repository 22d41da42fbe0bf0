"""Voices are grouped into speakers as they arrive."""

import numpy as np
import pytest

from mmerc.inference.streaming.live_speakers import LiveSpeakers
from mmerc.inference.streaming.sound_memory import SoundMemory
from mmerc.media.speakers.diarization import VoiceChunk
from mmerc.media.voice_activity import Span

FRAMES = 589


def voice(number, *, like=1.0, seed=0):
    """A unit vector whose cosine with the voice of this number is ``like``."""
    numbers = np.random.default_rng((number, seed))
    own = np.eye(192, dtype=np.float32)[number]
    other = numbers.normal(size=192).astype(np.float32)
    other[:20] = 0
    return like * own + np.sqrt(1 - like**2) * other / np.linalg.norm(other)


def chunk(start, *voices, seconds=3.0):
    """Ten seconds of consecutive voices of the given durations."""
    active = np.zeros((FRAMES, 3), bool)
    length = round(seconds / 10 * FRAMES)
    for number in range(len(voices)):
        active[number * length : (number + 1) * length, number] = True
    return VoiceChunk(start=start, active=active, voices=dict(enumerate(voices)))


def names(speakers):
    return [turn.speaker for turn in speakers.turns]


def test_returning_voices_are_recognised():
    speakers = LiveSpeakers()
    for number, who in enumerate([1, 2, 1, 1, 2]):
        span = Span(10.0 * number, 10.0 * number + 9)
        speakers.hear([chunk(span.start, voice(who, like=0.85, seed=number))], span)
    assert names(speakers) == [f"SPEAKER_0{n}" for n in (1, 2, 1, 1, 2)]


def test_short_voice_is_not_another_speaker():
    speakers = LiveSpeakers()
    speakers.hear([chunk(0.0, voice(1))], Span(0, 9))
    speakers.hear([chunk(10.0, voice(1, like=0.35), seconds=0.5)], Span(10, 19))
    assert names(speakers) == ["SPEAKER_01", "SPEAKER_01"]
    speakers.hear([chunk(20.0, voice(1, like=0.35))], Span(20, 29))
    assert names(speakers)[-1] == "SPEAKER_02"


def test_speakers_that_become_similar_are_joined():
    speakers = LiveSpeakers()
    speakers.hear([chunk(0.0, voice(1))], Span(0, 9))
    assert speakers.hear([chunk(10.0, voice(1, like=0.45))], Span(10, 19)) == []
    joined = []
    for number in range(2, 9):
        start = 10.0 * number
        between = voice(1, like=0.45) + 0.6 * voice(1)
        between /= np.linalg.norm(between)
        joined += speakers.hear([chunk(start, between)], Span(start, start + 9))
    assert [(item.old, item.new) for item in joined] == [("SPEAKER_02", "SPEAKER_01")]
    assert set(names(speakers)) == {"SPEAKER_01"}


def test_simultaneous_voices_are_never_one_speaker():
    speakers = LiveSpeakers()
    for number in range(3):
        start = 10.0 * number
        pair = [voice(1, like=0.95, seed=1), voice(1, like=0.95, seed=2)]
        assert speakers.hear([chunk(start, *pair)], Span(start, start + 9)) == []
    assert set(names(speakers)) == {"SPEAKER_01", "SPEAKER_02"}


def test_speaker_heard_with_a_joined_speaker_stays_separate():
    speakers = LiveSpeakers()
    speakers.hear([chunk(0.0, voice(1))], Span(0, 9))
    speakers.hear([chunk(10.0, voice(2))], Span(10, 19))
    speakers.hear([chunk(20.0, voice(1), voice(3))], Span(20, 29))
    first, second, third = speakers._speakers
    assert third.name in first.beside
    third.mean = second.mean
    (joined,) = speakers._merge_similar()
    assert (joined.old, joined.new) == ("SPEAKER_03", "SPEAKER_02")
    second.mean = first.mean
    assert speakers._merge_similar() == [] and first.beside == {"SPEAKER_02"}


def test_copy_does_not_change_the_speakers():
    speakers = LiveSpeakers()
    speakers.hear([chunk(0.0, voice(1))], Span(0, 9))
    other = speakers.copy()
    other.hear([chunk(10.0, voice(2))], Span(10, 19))
    assert names(speakers) == ["SPEAKER_01"] and len(other.turns) == 2
    speakers.hear([chunk(10.0, voice(3))], Span(10, 19))
    assert names(speakers) == ["SPEAKER_01", "SPEAKER_02"]


def test_repeated_span_replaces_its_turns_and_old_turns_are_dropped():
    speakers = LiveSpeakers()
    for _ in range(2):
        speakers.hear([chunk(0.0, voice(1))], Span(0, 9))
    assert len(speakers.turns) == 1
    speakers.hear([chunk(100.0, voice(1))], Span(100, 109))
    assert [turn.start > 99 for turn in speakers.turns] == [True]


@pytest.mark.parametrize("piece", [1, 999, 16_000])
def test_last_minute_of_sound_is_kept(piece):
    memory = SoundMemory(seconds=2)
    sound = np.arange(160_000 if piece > 1 else 3_000, dtype=np.float32)
    for part in np.split(sound, range(piece, len(sound), piece)):
        memory.add(part)
    seconds = len(sound) / 16_000
    assert memory.seconds == seconds
    start = max(0.0, seconds - 2)
    np.testing.assert_array_equal(memory.read(start, seconds + 5), sound[round(start * 16_000) :])
    assert len(memory._buffer) == 64_000
