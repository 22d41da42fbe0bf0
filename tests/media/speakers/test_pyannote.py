"""The adapter to pyannote.audio, with a small module in its place.

The real package is not installed here: whether its classes still have these names and results is
not tested.
"""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
import soundfile

from mmerc.errors import MmercError
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarizers import diarize

TRACKS = (("B", 0.0, 1.0), ("A", 0.5, 3.0), ("B", 2.5, 3.5))


class Annotation:
    def itertracks(self, *, yield_label):
        assert yield_label
        for number, (label, start, end) in enumerate(TRACKS):
            yield SimpleNamespace(start=start, end=end), number, label


@pytest.fixture
def recording(tmp_path):
    soundfile.write(tmp_path / "talk.wav", np.full(16000 * 4, 0.25, np.float32), 16000)
    return tmp_path / "talk.wav"


@pytest.fixture
def install(monkeypatch):
    """A function that replaces pyannote.audio by a module that records calls of its pipeline."""

    def replace(*, result=None, from_pretrained=None):
        calls = []

        def apply(file, **options):
            calls.append((file["waveform"].shape, file["sample_rate"], options))
            if isinstance(result, Exception):
                raise result
            return Annotation() if result is None else result

        module = ModuleType("pyannote.audio")
        load = from_pretrained or (lambda name: apply)
        module.Pipeline = SimpleNamespace(from_pretrained=load)
        monkeypatch.setitem(sys.modules, "pyannote.audio", module)
        return calls

    return replace


@pytest.mark.parametrize(
    ("count", "options"),
    [
        (SpeakerCount(), {}),
        (SpeakerCount(2, 2), {"num_speakers": 2}),
        (SpeakerCount(2, 4), {"min_speakers": 2, "max_speakers": 4}),
        (SpeakerCount(2), {"min_speakers": 2}),
    ],
)
@pytest.mark.parametrize("version", [3, 4])
def test_speakers_are_numbered_by_speaking_time(install, recording, count, options, version):
    result = None if version == 3 else SimpleNamespace(speaker_diarization=Annotation())
    calls = install(result=result)
    turns = diarize(recording, count=count, diarizer="pyannote")
    assert [(turn.speaker, turn.start, turn.end) for turn in turns] == [
        ("SPEAKER_02", 0.0, 1.0),
        ("SPEAKER_01", 0.5, 3.0),
        ("SPEAKER_02", 2.5, 3.5),
    ]
    assert calls == [((1, 64000), 16000, options)]


def test_second_pipeline_is_used_if_the_first_cannot_be_loaded(install, recording):
    names = []

    def load(name):
        names.append(name)
        if len(names) == 1:
            raise OSError("offline")
        return lambda file: Annotation()

    install(from_pretrained=load)
    assert len(diarize(recording, count=SpeakerCount(), diarizer="pyannote")) == 3
    assert names == ["pyannote/speaker-diarization-community-1", "pyannote/speaker-diarization-3.1"]


def _raise(name):
    raise OSError("offline mode is on\nmore")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"from_pretrained": lambda name: None}, r"cannot load .* \(it gave none\); accept its"),
        ({"from_pretrained": _raise}, r"cannot load .* \(offline mode is on\); accept its terms"),
        ({"result": RuntimeError("no")}, r"pyannote\.audio failed \(no\); leave --diarizer out"),
    ],
)
def test_failures_give_one_sentence_errors(install, recording, settings, message):
    install(**settings)
    with pytest.raises(MmercError, match=message) as caught:
        diarize(recording, count=SpeakerCount(), diarizer="pyannote")
    assert "\n" not in str(caught.value)


def test_missing_package_is_reported(monkeypatch, recording):
    monkeypatch.setitem(sys.modules, "pyannote.audio", None)
    with pytest.raises(MmercError, match=r"needs the package pyannote\.audio, which is not in"):
        diarize(recording, count=SpeakerCount(), diarizer="pyannote")
