"""Concatenated recordings and chained streams are one recording."""

from pathlib import Path

import av
import numpy as np
import pytest
import soundfile
from av import AudioFrame, VideoFrame
from media_files import Sound, murmur, write_media

from mmerc.media.decode import SAMPLE_RATE, probe, read_frames, read_sound

CASES = Path(__file__).parent / "data" / "cases"


def joined(path, *parts):
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def encoded(path, seconds, *, seed, codec, rate, channels=1):
    """A recording of noise, and the noise."""
    noise = np.tile(murmur(seconds, rate=rate, seed=seed), (channels, 1))
    layout = "stereo" if channels == 2 else "mono"
    return write_media(path, sound=Sound(samples=noise, rate=rate, codec=codec, layout=layout))


def likeness(a, b):
    return float(np.corrcoef(a, b)[0, 1])


@pytest.mark.parametrize(("name", "seconds"), [("joined.mp3", 10.35), ("chained.opus", 10.276)])
def test_common_recordings_are_not_joined_streams(name, seconds):
    samples = read_sound(CASES / name)
    assert len(samples) / SAMPLE_RATE == pytest.approx(seconds, abs=0.03)
    info = probe(CASES / name)
    assert info.duration == pytest.approx(seconds, abs=0.03)
    assert info.parts == 2
    loudness = [np.sqrt(np.mean(part**2)) for part in np.array_split(samples, 10)]
    assert min(loudness) > 0.05  # there is speech in every second
    part = read_sound(CASES / name, start=4.0, end=7.0)
    np.testing.assert_allclose(part, samples[64000:112000], atol=2e-3)
    late = read_sound(CASES / name, start=8.0, end=9.0)
    np.testing.assert_allclose(late, samples[128000:144000], atol=2e-3)


@pytest.mark.parametrize("tag", [b"", b"TAG" + b"x" * 125])
def test_mp3_files_joined_end_to_end(tmp_path, tag):
    a = encoded(tmp_path / "a.mp3", 3, seed=1, codec="libmp3lame", rate=44100)
    b = encoded(tmp_path / "b.mp3", 2, seed=2, codec="libmp3lame", rate=44100)
    (tmp_path / "tag").write_bytes(tag)
    path = joined(tmp_path / "ab.mp3", a, tmp_path / "tag", b, a)
    samples = read_sound(path)
    assert len(samples) / SAMPLE_RATE == pytest.approx(8, abs=0.25)
    assert probe(path).duration == pytest.approx(len(samples) / SAMPLE_RATE, abs=0.06)
    second = read_sound(b)[8000:24000]
    scores = [likeness(samples[start : start + 16000], second) for start in range(55000, 59000)]
    assert max(scores) > 0.95


def test_joined_streams_of_one_and_two_channels(tmp_path):
    a = encoded(tmp_path / "a.ogg", 3, seed=1, codec="libopus", rate=48000)
    b = encoded(tmp_path / "b.ogg", 2, seed=2, codec="libopus", rate=48000, channels=2)
    path = joined(tmp_path / "ab.ogg", a, b, a)
    samples = read_sound(path)
    assert len(samples) == 8 * SAMPLE_RATE
    assert probe(path).duration == pytest.approx(8, abs=0.01)
    for start, part in ((0, a), (3, b), (5, a)):
        expected = read_sound(part)[1600:-1600]
        first = start * SAMPLE_RATE + 1600
        assert likeness(samples[first : first + len(expected)], expected) > 0.99
    across = read_sound(path, start=2.5, end=5.5)
    np.testing.assert_allclose(across, samples[40000:88000], atol=2e-3)


def test_joined_streams_of_different_rates(tmp_path):
    soundfile.write(tmp_path / "a.ogg", murmur(2, rate=44100)[0], 44100)
    soundfile.write(tmp_path / "b.ogg", murmur(2, rate=22050, seed=1)[0], 22050)
    path = joined(tmp_path / "ab.ogg", tmp_path / "a.ogg", tmp_path / "b.ogg")
    samples = read_sound(path)
    assert len(samples) / SAMPLE_RATE == pytest.approx(4, abs=0.01)
    assert likeness(samples[33600:62400], read_sound(tmp_path / "b.ogg")[1600:30400]) > 0.99


def filmed(path, colour, *, size, sound):
    """Two seconds of one colour, with noise."""
    with av.open(str(path), "w", format="ogg") as container:
        film = container.add_stream("libvpx", rate=10)
        film.width, film.height, film.pix_fmt = *size, "yuv420p"
        voice = container.add_stream("libopus", rate=48000, layout="mono") if sound else None
        pixels = np.full((size[1], size[0], 3), colour, np.uint8)
        for number in range(20):
            frame = VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(film.encode(frame))
        container.mux(film.encode())
        if voice is not None:
            frame = AudioFrame.from_ndarray(murmur(2, rate=48000), format="flt", layout="mono")
            frame.rate, frame.pts = 48000, 0
            container.mux([*voice.encode(frame), *voice.encode()])
    return path


@pytest.mark.parametrize("heard", [(True, True), (True, False), (False, True)])
def test_joined_streams_with_video(tmp_path, heard):
    red, green = (200, 10, 10), (10, 200, 10)
    a = filmed(tmp_path / "a.ogv", red, size=(64, 48), sound=heard[0])
    b = filmed(tmp_path / "b.ogv", green, size=(96, 48), sound=heard[1])
    path = joined(tmp_path / "ab.ogv", a, b)
    info = probe(path)
    assert (info.duration, info.parts) == (pytest.approx(4, abs=0.03), 2)
    frames = [frame.pixels for frame in read_frames(path, [0.5, 1.5, 2.5, 3.5])]
    assert [pixels.shape[:2] for pixels in frames] == 2 * [(48, 64)] + 2 * [(48, 96)]
    colours = [red, red, green, green]
    np.testing.assert_allclose([pixels.mean((0, 1)) for pixels in frames], colours, atol=6)
    samples = read_sound(path)
    assert len(samples) / SAMPLE_RATE == pytest.approx(4 if heard[1] else 2, abs=0.03)
    loud = [bool((np.abs(samples[s : s + 16000]) > 0.01).any()) for s in (8000, 40000)]
    assert loud == [heard[0], heard[1]]


def test_damaged_joined_stream_is_reported(tmp_path):
    a = encoded(tmp_path / "a.ogg", 1, seed=1, codec="libopus", rate=48000)
    path = joined(tmp_path / "aa.ogg", a, a)
    data = bytearray(path.read_bytes())
    half = a.stat().st_size
    data[half + 28 : half + 200] = bytes(172)
    path.write_bytes(data)
    with pytest.raises(Exception, match=r"aa\.ogg: not media, or damaged"):
        read_sound(path)
