"""What of a recording's sound is not read is said."""

import struct

import av
import numpy as np
import pytest
from media_files import Sound, murmur, write_media

from mmerc.media.decode import probe
from mmerc.media.sound_remarks import sound_remarks

UNKNOWN = [0, 0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF000]


@pytest.fixture
def wav(tmp_path):
    """A function that writes 3 s of sound, with another length in its header."""

    def write(*, seconds=3.0, stated=None, after=b""):
        path = write_media(tmp_path / "a.wav", sound=Sound(samples=murmur(3)))
        data = path.read_bytes()
        start = data.index(b"data") + 8
        size = round(seconds * 32000)
        stated = size if stated is None else stated
        header = data[: start - 4] + struct.pack("<I", stated)
        path.write_bytes(header + data[start : start + size] + after)
        return path

    return write


def test_interrupted_copy(wav):
    assert sound_remarks(wav(seconds=1.0, stated=96000)) == (
        "The header states 3.0 s of sound, but the file ends after 1.0 s: the recording or its "
        "copy is incomplete.",
    )


@pytest.mark.parametrize("after", [b"", b"LIST\4\0\0\0INFO"])
def test_header_of_an_earlier_moment(wav, after):
    (remark,) = sound_remarks(wav(seconds=3.0, stated=32000, after=after))
    assert remark.startswith("The header states 1.0 s of sound, but the file has 3.0 s")
    assert "ffmpeg -ignore_length 1 -i a.wav repaired.wav" in remark


@pytest.mark.parametrize("stated", UNKNOWN)
def test_length_that_a_pipe_leaves_open(wav, stated):
    assert sound_remarks(wav(stated=stated)) == ()


@pytest.mark.parametrize(
    "after", [b"", b"\0" * 3000, b"LIST\4\0\0\0INFO", b"id3 \x03\0\0\0abc\0", b"\0"]
)
def test_chunks_and_padding_after_the_sound(wav, after):
    assert sound_remarks(wav(after=after)) == ()


def test_other_files_and_damaged_headers(media, tmp_path):
    assert sound_remarks(media("mkv")) == sound_remarks(media("flac")) == ()
    for content in (b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b"RIFF" * 30):
        (tmp_path / "b.wav").write_bytes(content)
        assert sound_remarks(tmp_path / "b.wav") == ()


def write_tracks(path, *, languages, channels):
    with av.open(str(path), "w") as container:
        for language, count in zip(languages, channels, strict=True):
            layout = "stereo" if count == 2 else "mono"
            stream = container.add_stream("pcm_s16le", rate=16000, layout=layout)
            stream.metadata["language"] = language
        for stream, count in zip(container.streams.audio, channels, strict=True):
            samples = np.zeros((1, 16000 * count), np.int16)
            layout = "stereo" if count == 2 else "mono"
            frame = av.AudioFrame.from_ndarray(samples, format="s16", layout=layout)
            frame.sample_rate, frame.pts = 16000, 0
            container.mux(stream.encode(frame))
    return path


def test_other_sound_tracks_are_named(tmp_path):
    """A film in two languages, of which only one is read."""
    path = write_tracks(tmp_path / "a.mkv", languages=["eng", "fra"], channels=[1, 1])
    assert sound_remarks(path) == (
        "The recording has 2 sound tracks (en, fr); only track 1 is used. To use another one, save "
        "it as a file: ffmpeg -i a.mkv -map 0:a:1 other.wav.",
    )


def test_channels_are_those_of_the_track_that_is_used(tmp_path):
    path = write_tracks(tmp_path / "a.mkv", languages=["und", "und"], channels=[1, 2])
    (remark,) = sound_remarks(path)
    used = int(remark.partition("only track ")[2][0])
    assert probe(path).channels == used
    assert "(unknown, unknown)" in remark
