"""Turns of a conversation of two synthetic voices, and the number of speakers."""

from pathlib import Path

import numpy as np
import pytest

from mmerc.errors import UsageError
from mmerc.media.decode import SAMPLE_RATE, read_sound
from mmerc.media.speakers import diarization
from mmerc.media.speakers.clustering import SpeakerCount, assign_voices, cluster_voices
from mmerc.media.speakers.diarization import _STEP_SECONDS, _find_turns_in
from mmerc.media.speakers.segmentation import CHUNK_SAMPLES
from mmerc.media.speakers.voice_windows import split_voices

DATA = Path(__file__).parents[1] / "data"
ORDER = ["woman", "man", "man", "woman", "woman", "man", "woman", "man"]


@pytest.fixture(scope="module")
def conversation(voices):
    """Audio, and its turns: name, start, end in seconds."""
    parts, turns, time = [], [], 0.0
    for name in ORDER:
        end = time + len(voices[name]) / SAMPLE_RATE
        turns.append((name, time, end))
        parts += [voices[name], np.zeros(4800, np.float32)]
        time = end + 0.3
    return np.concatenate(parts), turns


@pytest.fixture(scope="module")
def turns(conversation):
    return _find_turns_in([conversation[0]])


def speaker_at(turns, time):
    return {turn.speaker for turn in turns if turn.start <= time < turn.end}


def test_two_voices_are_two_speakers(conversation, turns):
    names = {}
    for name, start, end in conversation[1]:
        names.setdefault(name, []).append(speaker_at(turns, (start + end) / 2))
    assert all(speakers == actual[0] for actual in names.values() for speakers in actual)
    assert sorted(map(sorted, (actual[0] for actual in names.values()))) == [
        ["SPEAKER_01"],
        ["SPEAKER_02"],
    ]


def test_most_talkative_speaker_comes_first(turns):
    spoken = {}
    for turn in turns:
        spoken[turn.speaker] = spoken.get(turn.speaker, 0) + turn.end - turn.start
    assert spoken["SPEAKER_01"] >= spoken["SPEAKER_02"]


def test_turns_do_not_depend_on_piece_length(conversation, turns):
    samples = conversation[0]
    assert _find_turns_in(np.array_split(samples, 23)) == turns


def test_given_speaker_count_is_respected(conversation):
    one = _find_turns_in([conversation[0]], count=SpeakerCount(1, 1))
    assert {turn.speaker for turn in one} == {"SPEAKER_01"}


def test_twelve_voices_with_a_given_count(voices):
    """Three voices at four speeds each, in sequence."""
    parts = []
    for speed in (0.75, 0.9, 1.1, 1.3):
        for samples in (voices["woman"], voices["man"], read_sound(DATA / "german.ogg")):
            places = np.arange(int(len(samples) / speed)) * speed
            said = np.interp(places, np.arange(len(samples)), samples).astype(np.float32)
            parts += [said * 0.05 / said.std(), np.zeros(8000, np.float32)]
    sound = np.concatenate(parts).astype(np.float32)
    twelve = _find_turns_in([sound], count=SpeakerCount(12, 12))
    assert len({turn.speaker for turn in twelve}) == 12


@pytest.mark.parametrize("seconds", [0.01, 1.0, 15.0])
def test_silence_has_no_turns(seconds):
    assert _find_turns_in([np.zeros(int(seconds * SAMPLE_RATE), np.float32)]) == ()


@pytest.mark.parametrize("extra", [-1, 0, 1, int(_STEP_SECONDS * SAMPLE_RATE), 70_000])
def test_chunks_cover_the_complete_audio(extra):
    samples = np.arange(CHUNK_SAMPLES + extra, dtype=np.float32)
    chunks = list(diarization._cut_chunks(np.array_split(samples, 7)))
    covered = np.zeros(len(samples), bool)
    for start, chunk in chunks:
        first = round(start * SAMPLE_RATE)
        part = samples[first : first + CHUNK_SAMPLES]
        assert np.array_equal(chunk[: len(part)], part)
        assert not chunk[len(part) :].any()
        covered[first : first + CHUNK_SAMPLES] = True
    assert covered.all()
    assert len({start for start, _ in chunks}) == len(chunks)


def unit(*angles):
    return np.array([[np.cos(a), np.sin(a)] for a in np.radians(angles)], np.float32)


def test_voices_in_one_chunk_stay_separate_speakers():
    vectors = unit(0, 5, 1, 90)
    seconds = [2.5] * 4
    assert len(cluster_voices(vectors, [0, 1, 2, 3], seconds, count=SpeakerCount())) == 2
    assert len(cluster_voices(vectors, [0, 0, 1, 2], seconds, count=SpeakerCount())) == 3


@pytest.mark.parametrize(("seconds", "count"), [(0.5, 1), (1.2, 2)])
def test_brief_odd_voice_is_not_another_speaker(seconds, count):
    angles = [0, 1, 2, 3, 70, 71]  # cosine distance 0.66: too far to be grouped, not to be merged
    durations = [2.5] * 4 + [seconds] * 2
    assert len(cluster_voices(unit(*angles), range(6), durations, count=SpeakerCount())) == count


@pytest.mark.parametrize(("text", "count"), [("2", 2), ("3-4", 3), ("1", 1), ("4", 4), ("9", 4)])
def test_speaker_count_stays_in_range(text, count):
    centroids = cluster_voices(
        unit(0, 5, 90, 95), range(4), [2.5] * 4, count=SpeakerCount.parse(text)
    )
    assert len(centroids) == count
    assert np.allclose(np.linalg.norm(centroids, axis=1), 1)


@pytest.mark.parametrize("text", ["0", "4-2", "two", "-1", "2-", "", "1.5"])
def test_invalid_speaker_count_is_refused(text):
    with pytest.raises(UsageError, match=r"is not a count; write 2, or a range such as 2-4"):
        SpeakerCount.parse(text)


def test_voices_of_a_chunk_are_assigned_by_the_best_total():
    pairs = assign_voices(unit(40, 50), unit(45, 90))
    assert sorted(pairs) == [(0, 0), (1, 1)]


def test_windows_of_two_people_are_separated():
    assert split_voices(unit(0, 90, 5, 85, 3)).tolist() in ([0, 1, 0, 1, 0], [1, 0, 1, 0, 1])
    assert split_voices(unit(0, 50, 5, 45, 3)) is None  # one person's moods
    assert split_voices(unit(0, 90, 5, 3, 2)) is None  # one odd window
    assert split_voices(unit(0, 90, 85)) is None  # too few
