"""Media files shared by several tests, written once."""

import pytest
from media_files import Film, Sound, murmur, write_media

from mmerc.media.subtitles import read_subtitles

# name: video codec, audio codec, sampling rate
KINDS = {
    "mp4": ("libx264", "aac", 44100),
    "mkv": ("libx264", "aac", 48000),
    "mov": ("libx264", "pcm_s16le", 16000),
    "avi": ("msmpeg4", "pcm_s16le", 22050),
    "webm": ("libvpx", "libopus", 48000),
    "ts": ("libx264", "aac", 48000),
    "wav": (None, "pcm_s16le", 16000),
    "flac": (None, "flac", 16000),
    "mp3": (None, "libmp3lame", 44100),
    "ogg": (None, "libopus", 48000),
}
SECONDS = 4.0


@pytest.fixture(scope="session")
def media(tmp_path_factory):
    """A function that returns a file with 4 s of noise and numbered frames (25 per second)."""
    folder = tmp_path_factory.mktemp("media")

    def file_of(kind):
        path = folder / f"murmur.{kind}"
        film, codec, rate = KINDS[kind]
        if not path.exists():
            sound = Sound(samples=murmur(SECONDS, rate=rate), rate=rate, codec=codec)
            times = [i / 25 for i in range(100)]
            write_media(path, film=film and Film(times=times, codec=film), sound=sound)
        return path

    return file_of


@pytest.fixture(scope="session")
def original(tmp_path_factory):
    """A function that returns the noise before encoding, from a separate 16 kHz file."""
    from mmerc.media.decode import read_sound

    folder = tmp_path_factory.mktemp("original")

    def samples_of(kind):
        rate = KINDS[kind][2]
        path = folder / f"{rate}.wav"
        if not path.exists():
            write_media(path, sound=Sound(samples=murmur(SECONDS, rate=rate), rate=rate))
        return read_sound(path)

    return samples_of


@pytest.fixture(scope="session")
def long_film(tmp_path_factory):
    """20 s of numbered frames (10 per second, a key frame every 4 s), without audio."""
    times = [i / 10 for i in range(200)]
    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write_media(path, film=Film(times=times, clock=10, key_every=40))


@pytest.fixture
def read(tmp_path):
    """A function that writes subtitles to a file and reads them."""

    def write_and_read(content, name="talk.srt"):
        file = tmp_path / name
        file.write_text(content)
        return read_subtitles(file)

    return write_and_read
