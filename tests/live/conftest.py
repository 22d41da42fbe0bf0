"""Networks shared by all live tests, and one conversation."""

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from mmerc.inference.analysis import Analysis
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.pipeline.utterance_sources import FromSpeech
from mmerc.inference.streaming.events import LiveEvent
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.session import LiveSession
from mmerc.media.decode import SAMPLE_RATE, read_sound

EXAMPLE = Path(__file__).parents[2] / "examples/phone-call.mp4"
SECONDS = 20.6  # two people, five turns, one with two sentences


@dataclass(frozen=True)
class LiveRun:
    """A session, and its reports by seconds of audio received."""

    session: LiveSession
    events: list[tuple[float, LiveEvent]]

    def of(self, kind):
        return [event for _, event in self.events if isinstance(event, kind)]


@pytest.fixture(scope="session")
def components():
    return LiveComponents.load()


@pytest.fixture(scope="session")
def call(tmp_path_factory):
    """The beginning of the example's audio in 16 bits, and its file."""
    path = tmp_path_factory.mktemp("live") / "call.wav"
    levels = (read_sound(EXAMPLE, end=SECONDS) * 32767).round().astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        file.writeframes(levels.tobytes())
    return read_sound(path), path


@pytest.fixture(scope="session")
def live_run(components, call):
    """The conversation in pieces of 0.1 s."""
    session, events = LiveSession(components), []
    for piece in np.split(call[0], range(1600, len(call[0]), 1600)):
        events += [(session.seconds + len(piece) / 16000, e) for e in session.feed_sound(piece)]
    return LiveRun(session, events + [(session.seconds, e) for e in session.finish()])


@pytest.fixture(scope="session")
def offline(components, call) -> Analysis:
    """The result of ``analyze --live`` for the same file."""
    pipeline = Pipeline(
        model=components.model.model,
        name=components.model.name,
        extractors=components.model.extractors,
        find=FromSpeech(as_live=True),
        workers=1,
        live=True,
    )
    return pipeline(call[1])
