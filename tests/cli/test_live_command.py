"""``mmerc live`` through the program."""

import functools
import io
import json
import signal
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from mmerc.cli.commands.live import _format_utterance
from mmerc.inference.streaming.events import LiveUtterance
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.media.decode import read_sound

EXAMPLE = Path(__file__).parents[2] / "examples/phone-call.mp4"
SILENCE = bytes(32_000)


@pytest.fixture(scope="module")
def turn():
    """One turn of the example as raw audio."""
    return (read_sound(EXAMPLE, end=5.3) * 32767).astype("<i2").tobytes()


@pytest.fixture(scope="module", autouse=True)
def networks():
    """The networks are loaded once for all calls in this process."""
    with pytest.MonkeyPatch.context() as patch:
        load = functools.cache(LiveComponents.load)
        patch.setattr(LiveComponents, "load", lambda *_, **__: load())
        yield


@pytest.fixture
def stdin(monkeypatch):
    """A function that feeds bytes to stdin."""

    def put(data):
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(data)))

    return put


@pytest.fixture
def sounddevice(monkeypatch):
    """A function that replaces the audio package by one whose microphone delivers these blocks."""

    def install(*blocks, problem=None):
        class Stream:
            def __init__(self, *, callback, **settings):
                assert settings["samplerate"] == 16_000
                if problem:
                    raise ValueError(problem)
                self.callback = callback

            def __enter__(self):
                for block in blocks:
                    self.callback(block, 1600, None, None)
                signal.raise_signal(signal.SIGINT)

            def __exit__(self, *_):
                pass

        module = ModuleType("sounddevice")
        module.RawInputStream = Stream
        monkeypatch.setitem(sys.modules, "sounddevice", module)

    return install


@pytest.mark.parametrize(
    ("doubt", "line"),
    [
        (None, "[1] 1:05.2  Ada  joy 82%       Yes."),
        ("no words", "[1] 1:05.2  Ada  joy 82% | doubtful Yes."),
    ],
)
def test_a_doubtful_emotion_is_marked(doubt, line):
    utterance = LiveUtterance(
        index=1,
        start=65.2,
        end=66.0,
        text="Yes.",
        speaker="Ada",
        emotion="joy",
        probabilities={"joy": 0.82},
        effects={},
        context_effect=None,
        modalities=("text",),
        doubtful_label=doubt,
    )
    assert _format_utterance(utterance) == line


def test_file_at_full_speed(mmerc, turn, tmp_path):
    """Its events as JSON Lines, and its analysis."""
    import wave

    path = tmp_path / "turn.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(turn)
    folder = tmp_path / "out"
    outcome = mmerc("live", path, "--speed", "max", "--format", "jsonl", "--out", folder)
    assert outcome.code == 0, outcome.err
    events = [json.loads(line) for line in outcome.out.splitlines()]
    assert [event["type"] for event in events if event["type"] != "words"] == [
        "speech_started", "utterance", "stats",
    ]  # fmt: skip
    (row,) = (folder / "turn.jsonl").read_text().splitlines()
    (utterance,) = [event for event in events if event["type"] == "utterance"]
    assert json.loads(row)["label"] == utterance["emotion"]
    again = mmerc("live", path, "--out", folder)
    assert again.code == 1 and "exists already" in again.sentence


def test_ctrl_c_writes_what_was_heard(program, turn, tmp_path):
    """Ctrl-C while the program plays a file in real time."""
    import wave

    path, shown = tmp_path / "long.wav", tmp_path / "shown"
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(turn + SILENCE * 900)
    shown.touch()
    process = program.start("live", path, "--out", tmp_path / "out", stdout=shown, stderr=shown)
    end = time.monotonic() + 600
    while "[1]" not in shown.read_text() and time.monotonic() < end:
        assert process.poll() is None, shown.read_text()
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    assert process.wait() == 130
    assert shown.read_text().endswith("mmerc: interrupted.\n")
    assert len((tmp_path / "out/long.jsonl").read_text().splitlines()) == 1


def test_silence_on_stdin(mmerc, stdin, tmp_path):
    stdin(SILENCE)
    outcome = mmerc("live", "-", "--quiet", "--out", tmp_path / "out")
    assert outcome.code == 1 and "No speech was heard" in outcome.sentence
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("start", [b"RIFF\x24\0\0\0WAVEfmt ", b"\0\0\0\x20ftypisom", b"OggS"])
def test_recording_on_stdin_is_not_read_as_raw_audio(mmerc, stdin, start):
    stdin(start + SILENCE)
    outcome = mmerc("live", "-", "--quiet")
    assert outcome.code == 1
    assert outcome.sentence.startswith(
        "mmerc: stdin: a recording, not raw sound; give the file, or pipe"
    )


def test_microphone(mmerc, sounddevice):
    """Ctrl-C is the normal way to stop, not an error."""
    sounddevice(*[np.zeros(1600, np.int16).tobytes()] * 3)
    outcome = mmerc("live", "--microphone", "--format", "jsonl")
    assert outcome.code == 0, outcome.err
    assert [json.loads(line)["type"] for line in outcome.out.splitlines()] == ["stats"]
    assert "No speech was heard." in outcome.err


def test_no_microphone(mmerc, sounddevice, monkeypatch):
    sounddevice(problem="no default device")
    outcome = mmerc("live", "--microphone", "--quiet")
    assert outcome.code == 1 and "No microphone can be opened (no default device)" in outcome.err
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    outcome = mmerc("live", "--microphone", "--quiet")
    assert outcome.code == 1 and "pip install 'mmerc[microphone]'" in outcome.sentence


@pytest.mark.parametrize("arguments", [(), ("-", "--microphone")])
def test_exactly_one_source_is_required(mmerc, arguments):
    outcome = mmerc("live", *arguments)
    assert outcome.code == 2 and "exactly one of them" in outcome.sentence


def test_file_without_audio(mmerc, tmp_path):
    path = tmp_path / "none.wav"
    outcome = mmerc("live", path, "--quiet")
    assert outcome.code == 1 and "no such file" in outcome.sentence
