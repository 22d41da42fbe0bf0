"""``mmerc.live`` takes bytes or arrays, and yields utterances."""

import asyncio

import numpy as np
import pytest

import mmerc
from mmerc.errors import UsageError
from mmerc.inference.streaming.live_stream import read_samples


def collect(components, *pieces, **options):
    async def stream():
        for piece in pieces:
            yield piece

    async def run():
        return [item async for item in mmerc.live(stream(), model=components, **options)]

    return asyncio.run(run())


def test_utterances_of_a_stream(components, call):
    levels = (call[0][:83_200] * 32767).round().astype("<i2").tobytes()
    (utterance,) = collect(components, levels[:50_001], levels[50_001:])
    assert utterance.text.startswith("Hello") and utterance.speaker == "SPEAKER_01"


def test_all_events(components):
    (report,) = collect(components, np.zeros(3200, np.float32), events=True)
    assert (report.type, report.seconds) == ("stats", 0.2)
    assert report.real_time_factor < 600  # also if the end comes directly after another report


def test_audio_formats():
    levels = np.array([0, 16384, -32768], "<i2")
    expected = [0, 0.5, -1]
    for sound in (levels, levels.tobytes(), (levels / 32768).astype(np.float32)):
        samples, rest = read_samples(sound)
        np.testing.assert_array_equal(samples, np.array(expected, np.float32))
        assert rest == b""
    samples, rest = read_samples(levels.tobytes()[1:3], levels.tobytes()[:1])
    assert len(samples) == 1 and rest == levels.tobytes()[2:3]


@pytest.mark.parametrize("sound", ["text", np.zeros(3), np.zeros((2, 2), np.int16), None])
def test_other_audio_is_refused(sound):
    with pytest.raises(UsageError, match="Live sound"):
        read_samples(sound)
