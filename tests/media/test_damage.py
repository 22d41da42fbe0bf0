"""Damaged, truncated, encrypted and wrong files: intact parts are read, or the reason is given."""

import os

import numpy as np
import pytest
from media_files import Film, Sound, murmur, number_of, write_media

from mmerc.media.decode import SAMPLE_RATE, Reason, probe, read_frames, read_sound
from mmerc.media.segment import MediaError

FRONT = {"movflags": "faststart"}  # mp4 with its index in front
KEY = "0123456789abcdef" * 2
ENCRYPTION = {
    "encryption_scheme": "cenc-aes-ctr",
    "encryption_key": KEY,
    "encryption_kid": KEY,
}


def reasons(path, *, start=None, end=None):
    """Results of reading a file's audio, video and description."""
    actual = []
    for read in (
        lambda: read_sound(path, start=start, end=end),
        lambda: list(read_frames(path, [start or 0.0])),
        lambda: probe(path),
    ):
        with pytest.raises(MediaError) as caught:
            read()
        assert str(path) in str(caught.value)
        assert str(path) not in caught.value.reason
        actual.append(caught.value.reason)
    return set(actual)


def sound_reason(path, **part):
    with pytest.raises(MediaError) as caught:
        read_sound(path, **part)
    return caught.value.reason


@pytest.fixture
def long_media(tmp_path):
    """A function that writes 8 s of video and audio; ``cut`` keeps that share of the bytes."""

    def make(kind, *, cut=1.0, options=None):
        codec = {"flac": "flac", "mp3": "libmp3lame", "ogg": "libopus"}.get(kind, "aac")
        rate = 48000
        film = Film(times=[i / 25 for i in range(200)]) if codec == "aac" else None
        sound = Sound(samples=murmur(8, rate=rate), rate=rate, codec=codec)
        path = write_media(tmp_path / f"a.{kind}", film=film, sound=sound, options=options)
        data = path.read_bytes()
        damaged = tmp_path / f"damaged.{kind}"
        damaged.write_bytes(data[: round(len(data) * cut)])
        return path, damaged

    return make


@pytest.mark.parametrize(
    ("kind", "options"), [("mkv", None), ("flac", None), ("mp4", FRONT)], ids=["mkv", "flac", "mp4"]
)
def test_truncated_file_gives_its_complete_part(long_media, kind, options):
    path, damaged = long_media(kind, cut=0.6, options=options)
    actual = read_sound(damaged, start=1.0, end=3.0)
    np.testing.assert_allclose(actual, read_sound(path, start=1.0, end=3.0), atol=2e-4)
    for part in ({"start": 3.0, "end": 7.0}, {"start": 6.0, "end": 7.0}, {"start": 1.0}, {}):
        assert sound_reason(damaged, **part) == Reason.NOT_MEDIA


def test_stream_without_stated_length_ends_where_it_is_cut(long_media):
    """The rest of a truncated broadcast is complete except for its last packet."""
    path, damaged = long_media("ts", cut=0.6)
    actual = read_sound(damaged)
    assert 4 < len(actual) / SAMPLE_RATE < 6
    np.testing.assert_allclose(actual[:48000], read_sound(path)[:48000], atol=0.02)
    assert sound_reason(damaged, start=7.0, end=7.5) == Reason.PAST_SOUND


@pytest.mark.parametrize(("kind", "options"), [("mkv", None), ("mp4", FRONT)], ids=["mkv", "mp4"])
def test_truncated_video_gives_its_complete_part(long_media, kind, options):
    _, damaged = long_media(kind, cut=0.6, options=options)
    frames = read_frames(damaged, [0.5, 2.02, 6.0])
    assert [number_of(next(frames).pixels) for _ in range(2)] == [12, 50]
    with pytest.raises(MediaError) as caught:
        next(frames)
    assert caught.value.reason == Reason.NOT_MEDIA


def test_mp4_without_its_index_is_refused(long_media):
    _, damaged = long_media("mp4", cut=0.9)
    assert reasons(damaged) == {Reason.NOT_MEDIA}


@pytest.mark.parametrize("kind", ["mkv", "mov"])
def test_audio_shorter_than_its_video_is_not_truncated(tmp_path, kind):
    film = Film(times=[i / 25 for i in range(150)])
    path = write_media(tmp_path / f"a.{kind}", film=film, sound=Sound(samples=murmur(2)))
    assert len(read_sound(path)) == 2 * SAMPLE_RATE
    assert sound_reason(path, start=4.0, end=5.0) == Reason.PAST_SOUND


@pytest.mark.parametrize("kind", ["flac", "mp3", "ogg", "mp4"])
def test_corrupted_bytes_in_the_middle(long_media, kind):
    """Other parts are unchanged; the damaged part is not invented."""
    path, damaged = long_media(kind)
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 200] = bytes((37 * i + 11) % 256 for i in range(200))
    damaged.write_bytes(data)
    after = [] if kind == "mp3" else [(6.0, 7.5)]  # MP3 counts time by the remaining frames
    for start, end in [(0.5, 2.0), *after]:
        part = read_sound(damaged, start=start, end=end)
        np.testing.assert_allclose(part, read_sound(path, start=start, end=end), atol=0.02)
    assert sound_reason(damaged) == Reason.NOT_MEDIA
    assert sound_reason(damaged, start=2.0, end=6.0) == Reason.NOT_MEDIA


def test_video_with_undecodable_frames(long_media):
    path, damaged = long_media("mp4")
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 3000] = bytes(3000)
    damaged.write_bytes(data)
    assert [number_of(frame.pixels) for frame in read_frames(damaged, [0.5, 7.0])] == [12, 175]
    with pytest.raises(MediaError) as caught:
        list(read_frames(damaged, [i / 25 for i in range(200)]))
    assert caught.value.reason == Reason.NOT_MEDIA


def test_nonsensical_timestamps(tmp_path, media):
    hours = Sound(samples=murmur(3), hole_at=1.0, hole=36_000.0)
    path = write_media(tmp_path / "ahead.mkv", sound=hours)
    assert len(read_sound(path, end=1.0)) == SAMPLE_RATE
    assert sound_reason(path) == Reason.NOT_MEDIA
    back = tmp_path / "back.ts"
    back.write_bytes(media("ts").read_bytes() * 2)
    assert sound_reason(back) == Reason.NOT_MEDIA


def test_encrypted_file_is_refused(tmp_path):
    sound = Sound(samples=murmur(1, rate=44100), rate=44100, codec="aac")
    path = write_media(tmp_path / "a.mp4", film=Film(), sound=sound, options=ENCRYPTION)
    assert reasons(path) == {Reason.ENCRYPTED}


def test_files_of_other_types_are_refused(tmp_path):
    empty, text, noise = (tmp_path / name for name in ("empty.mp4", "text.mp4", "noise.wav"))
    empty.write_bytes(b"")
    text.write_text("I am no film at all.\n" * 50)
    noise.write_bytes(np.random.default_rng(0).bytes(5000))
    assert reasons(empty) == {Reason.EMPTY}
    assert reasons(text) == {Reason.NOT_MEDIA}
    assert reasons(noise) == {Reason.NOT_MEDIA}
    assert reasons(tmp_path / "missing.mp4") == {Reason.NO_FILE}
    assert reasons(tmp_path) == {Reason.NO_FILE}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_read_permission(media, tmp_path):
    path = tmp_path / "a.mkv"
    path.write_bytes(media("mkv").read_bytes())
    path.chmod(0)
    assert reasons(path) == {Reason.UNREADABLE}


def test_unknown_codecs(media, tmp_path):
    data = media("mkv").read_bytes()
    strange = tmp_path / "a.mkv"
    strange.write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_MPEG4/ISO/XYZ"))
    assert (probe(strange).has_sound, probe(strange).has_film) == (True, False)
    assert len(read_sound(strange)) == len(read_sound(media("mkv")))
    strange.write_bytes(data.replace(b"A_AAC", b"A_XYZ"))
    assert (probe(strange).has_sound, probe(strange).has_film) == (False, True)
    assert sound_reason(strange) == Reason.NO_SOUND


def test_message_is_one_plain_sentence(tmp_path):
    with pytest.raises(MediaError) as caught:
        probe(tmp_path / "missing.mp4")
    assert str(caught.value) == f"{tmp_path / 'missing.mp4'}: no such file; check the path."


@pytest.mark.parametrize("name", ["film.wav", "a:b.mkv", "http:a.mkv", "50%d.mkv", "ä ö.mkv", "x"])
def test_file_name_does_not_matter(media, tmp_path, name):
    path = tmp_path / name
    path.write_bytes(media("mkv").read_bytes())
    assert probe(path) == probe(media("mkv"))
    assert len(read_sound(path)) == len(read_sound(media("mkv")))
