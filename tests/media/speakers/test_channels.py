"""Recordings with one speaker per channel: turns by channel, and a remark where they are mixed."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from mmerc.inference.file_check import check_file
from mmerc.media.segment import MediaError
from mmerc.media.speakers.channels import has_speaker_per_channel
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarizers import diarize

DATA = Path(__file__).parents[1] / "data"
REMARK = "pass --diarizer channels"


def find(path):
    return diarize(path, count=SpeakerCount(), diarizer="channels")


@pytest.fixture(scope="module")
def voices():
    """Two voices of equal loudness, at most four seconds each, and their rate."""
    (woman, rate), (man, other) = (soundfile.read(DATA / f"{n}.ogg") for n in ("woman", "man"))
    assert rate == other
    length = min(len(woman), len(man), 4 * rate)
    return [v[:length] / np.sqrt(np.square(v[:length]).mean()) / 10 for v in (woman, man)], rate


def write_call(path, voices, *, bleed=0.0):
    """A call: the woman speaks in the left channel, then the man in the right one."""
    (woman, man), rate = voices
    rest = np.zeros(len(woman))
    left, right = np.concatenate([woman, rest]), np.concatenate([rest, man])
    noise = np.random.default_rng(1).normal(0, 1e-4, (2, len(left)))
    both = np.stack([left + bleed * right, right + bleed * left]) + noise
    soundfile.write(path, both.T, rate)
    return len(woman) / rate


@pytest.mark.parametrize("bleed", [0.0, 0.1])
def test_each_channel_is_a_speaker(tmp_path, voices, bleed):
    path = tmp_path / "call.wav"
    change = write_call(path, voices, bleed=bleed)
    turns = find(path)
    assert {turn.speaker for turn in turns} == {"CHANNEL_1", "CHANNEL_2"}
    assert all((turn.end <= change + 0.3) == (turn.speaker == "CHANNEL_1") for turn in turns)
    assert all(turn.start >= change - 0.3 for turn in turns if turn.speaker == "CHANNEL_2")
    assert any(REMARK in remark for remark in check_file(path).remarks)


def test_both_may_speak_at_once(tmp_path, voices):
    (woman, man), rate = voices
    path = tmp_path / "call.wav"
    rest = np.zeros(len(woman))
    left, right = np.concatenate([woman, rest, woman]), np.concatenate([rest, man, man])
    soundfile.write(path, np.stack([left, right]).T, rate)
    late = [turn.speaker for turn in find(path) if turn.end > 2.5 * len(woman) / rate]
    assert {*late} == {"CHANNEL_1", "CHANNEL_2"}


def test_ordinary_stereo_is_no_call(tmp_path, voices):
    """The same voices in both channels, one of them quieter."""
    (woman, man), rate = voices
    both = np.concatenate([woman, man])
    for name, right in (("stereo", 0.5 * both), ("same", both)):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, np.stack([both, right]).T, rate)
        assert not has_speaker_per_channel(path)
        assert not any(REMARK in remark for remark in check_file(path).remarks)
        with pytest.raises(MediaError, match="have the same sound"):
            find(path)


def test_silent_channel_is_no_speaker(tmp_path, voices):
    (woman, _), rate = voices
    path = tmp_path / "left.wav"
    soundfile.write(path, np.stack([woman, np.zeros(len(woman))]).T, rate)
    assert not has_speaker_per_channel(path)
    assert {turn.speaker for turn in find(path)} == {"CHANNEL_1"}


def test_mono_is_refused(tmp_path, voices):
    (woman, _), rate = voices
    soundfile.write(tmp_path / "mono.wav", woman, rate)
    with pytest.raises(MediaError, match="single channel"):
        find(tmp_path / "mono.wav")
