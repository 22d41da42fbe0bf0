"""Recordings over the limits, even in small files."""

from fractions import Fraction

import av
import numpy as np
import pytest

from mmerc.media.segment import MediaError
from mmerc.serving.recording_limits import check_recording


def write_silence(path, *, seconds, times=None):
    """Silence as FLAC, where hours take a few kilobytes; ``times`` are the packets' timestamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("flac", rate=8000, layout="mono")
        for second in range(seconds):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), layout="mono")
            frame.rate, frame.pts, frame.time_base = 8000, 8000 * second, Fraction(1, 8000)
            container.mux(moved(stream.encode(frame), times))
        container.mux(moved(stream.encode(None), times))
    return path


def moved(packets, times):
    for packet in packets:
        if times is not None and packet.pts is not None:
            packet.pts = packet.dts = times(packet.pts)
    return packets


def test_recordings_within_limits_pass(film):
    check_recording(film, longest=60)


def test_overstated_header_is_believed(film):
    with pytest.raises(MediaError, match=r"longer than the 0\.05 minutes"):
        check_recording(film, longest=3)


def test_hours_of_silence_in_a_small_file_are_refused(tmp_path):
    bomb = write_silence(tmp_path / "bomb.flac", seconds=900)
    assert bomb.stat().st_size < 200_000  # 14 MB decoded
    check_recording(bomb, longest=901)
    with pytest.raises(MediaError, match="longer than"):
        check_recording(bomb, longest=600)


def test_understated_header_is_not_believed(tmp_path):
    """A FLAC header can omit the length; then only the packets show it."""
    path = write_silence(tmp_path / "bomb.flac", seconds=60)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # the 36-bit number of samples in the stream information
    content[22:26] = bytes(4)
    path.write_bytes(content)
    with av.open(str(path)) as container:
        assert not container.duration or container.duration < 30e6
    with pytest.raises(MediaError, match="longer than"):
        check_recording(path, longest=30)


def test_jumping_timestamps(tmp_path):
    path = write_silence(tmp_path / "leaps.mka", seconds=4, times=lambda pts: 1000 * pts)
    with pytest.raises(MediaError, match="longer than"):
        check_recording(path, longest=600)


def test_too_many_frames(film, monkeypatch):
    monkeypatch.setattr("mmerc.serving.recording_limits._PIXELS_PER_SECOND", 25 * 640 * 480 // 10)
    with pytest.raises(MediaError, match="larger when decoded"):
        check_recording(film, longest=60)


@pytest.mark.parametrize("content", [b"#EXTM3U\nhttp://127.0.0.1:1/a.ts\n", b"no media", b""])
def test_playlists_are_not_followed_and_garbage_is_refused(tmp_path, content):
    (tmp_path / "recording").write_bytes(content)
    with pytest.raises(MediaError, match=r"not media|empty"):
        check_recording(tmp_path / "recording", longest=60)
