"""Media files are distinguished from raw audio by their first bytes."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mmerc.media.decode import read_sound
from mmerc.media.file_signatures import recognise_format

EXAMPLE = Path(__file__).parents[2] / "examples/phone-call.mp4"
PIECE = 3200  # bytes that `mmerc live -` reads first
PLAIN = {"id3v2_version": "0", "write_xing": "0"}
SOUND_FILES = [
    # format, codec, samples per second, options, name
    ("matroska", "flac", 16000, {}, "matroska"),
    ("webm", "libopus", 48000, {}, "matroska"),
    ("mp4", "aac", 44100, {}, "mov"),
    ("mov", "pcm_s16le", 16000, {}, "mov"),
    ("avi", "pcm_s16le", 16000, {}, "riff"),
    ("wav", "pcm_s16le", 16000, {}, "riff"),
    ("wav", "pcm_s16le", 16000, {"rf64": "always"}, "riff"),
    ("w64", "pcm_s16le", 16000, {}, "w64"),
    ("aiff", "pcm_s16be", 16000, {}, "aiff"),
    ("au", "pcm_s16be", 16000, {}, "au"),
    ("caf", "pcm_s16be", 16000, {}, "caf"),
    ("flac", "flac", 16000, {}, "flac"),
    ("ogg", "libopus", 48000, {}, "ogg"),
    ("wv", "wavpack", 16000, {}, "wv"),
    ("flv", "aac", 44100, {}, "flv"),
    ("amr", "libopencore_amrnb", 8000, {}, "amr"),
    ("asf", "wmav2", 44100, {}, "asf"),
    ("mpeg", "mp2", 48000, {}, "mpeg"),
    ("mpegts", "mp2", 48000, {}, "mpegts"),
    ("mpegts", "aac", 48000, {"mpegts_m2ts_mode": "1"}, "mpegts"),
    ("ac3", "ac3", 48000, {}, "ac3"),
    ("eac3", "eac3", 48000, {}, "ac3"),
    ("mp3", "libmp3lame", 44100, {}, "mp3"),
    ("mp3", "libmp3lame", 44100, PLAIN, "mp3"),
    ("mp3", "libmp3lame", 22050, PLAIN, "mp3"),
    ("mp3", "libmp3lame", 8000, PLAIN, "mp3"),
    ("mp2", "mp2", 48000, {}, "mp3"),
    ("mp2", "mp2", 24000, {}, "mp3"),
    ("adts", "aac", 44100, {}, "aac"),
]


@pytest.mark.parametrize(("kind", "codec", "rate", "options", "name"), SOUND_FILES)
def test_files_of_every_format(tmp_path, kind, codec, rate, options, name):
    path = tmp_path / "sound"
    noise = np.random.default_rng(0).normal(0, 3000, (1, rate)).astype(np.int16)
    with av.open(path, "w", format=kind, options=options) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        if codec == "wmav2":  # has no default
            stream.bit_rate = 64_000
        frame = av.AudioFrame.from_ndarray(noise, format="s16", layout="mono")
        frame.rate, frame.pts, frame.time_base = rate, 0, Fraction(1, rate)
        fifo, size = av.AudioFifo(), stream.codec_context.frame_size or 1024
        wanted = av.AudioResampler(stream.codec_context.format, "mono", rate)
        for part in wanted.resample(frame):
            fifo.write(part)
        while (part := fifo.read(size)) is not None:
            file.mux(stream.encode(part))
        file.mux(stream.encode(None))
    with open(path, "rb") as file:
        assert recognise_format(file.read(PIECE)) == name


def test_pictures(tmp_path):
    with av.open(tmp_path / "picture", "w", format="gif") as file:
        stream = file.add_stream("gif", rate=1)
        stream.width = stream.height = 16
        stream.pix_fmt = "rgb8"
        picture = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        file.mux([*stream.encode(picture), *stream.encode(None)])
    assert recognise_format((tmp_path / "picture").read_bytes()) == "gif"


def test_old_quicktime_film_starts_with_another_box():
    assert recognise_format(b"\0\0\0\x08wide\0\0\0\0mdat") == "mov"


@pytest.mark.parametrize("offset", range(0, 32000, 1600))
def test_raw_audio_is_not_mistaken_for_a_file(offset):
    sound = (read_sound(EXAMPLE, end=3.0) * 32767).astype("<i2").tobytes()
    assert recognise_format(sound[offset : offset + PIECE]) is None


def test_silence_and_noise_are_not_mistaken_for_a_file():
    levels = np.arange(-32768, 32768, dtype="<i2")
    files = [int(v) for v in levels if recognise_format(np.full(PIECE // 2, v).tobytes())]
    assert files == []
    noise = np.random.default_rng(0).integers(-8, 8, (20_000, PIECE // 2)).astype("<i2")
    assert not any(recognise_format(piece.tobytes()) for piece in noise)


@pytest.mark.parametrize("start", [b"", b"\xff", b"\xff\xfb", b"\xff\xfb\x90\x00", b"\xff\xf1\x50"])
def test_few_bytes_are_not_mistaken_for_a_file(start):
    assert recognise_format(start) is None
