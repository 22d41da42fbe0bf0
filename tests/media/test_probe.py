"""The contents of a file, found without decoding it."""

import dataclasses

import av
import pytest
from media_files import Film, Sound, corners, sound_frames, tone, write_media

from mmerc.media.decode import Reason, probe, read_frames, read_sound
from mmerc.media.segment import MediaError


@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov", "avi", "webm", "ts"])
def test_video_with_audio(media, kind):
    info = probe(media(kind))
    assert info.duration == pytest.approx(4.0, abs=0.05)
    assert (info.has_sound, info.has_film) == (True, True)
    assert (info.width, info.height) == (64, 48)
    assert info.frame_rate == pytest.approx(25)


@pytest.mark.parametrize("kind", ["wav", "flac", "mp3", "ogg"])
def test_audio_only(media, kind):
    info = probe(media(kind))
    assert info.duration == pytest.approx(4.0, abs=0.05)
    assert (info.has_sound, info.has_film) == (True, False)
    assert (info.width, info.height, info.frame_rate) == (None, None, None)
    with pytest.raises(MediaError) as caught:
        list(read_frames(media(kind), [0.0]))
    assert caught.value.reason == Reason.NO_FILM


def test_video_without_audio(long_film):
    info = probe(long_film)
    assert (info.has_sound, info.has_film, info.frame_rate) == (False, True, 10)
    with pytest.raises(MediaError) as caught:
        read_sound(long_film)
    assert caught.value.reason == Reason.NO_SOUND


def test_duration_missing_from_the_container(tmp_path):
    sound = Sound(samples=tone(2, rate=48000), rate=48000, codec="libopus")
    path = write_media(tmp_path / "a.mkv", film=Film(), sound=sound, options={"live": "1"})
    assert probe(path).duration is None
    assert len(read_sound(path)) == 2 * 16000


def test_variable_frame_rate(tmp_path):
    film = Film(times=[0.0, 0.5, 0.6, 2.0], clock=1000)
    assert probe(write_media(tmp_path / "a.mp4", film=film)).frame_rate < 25


@pytest.mark.parametrize(("kind", "codec"), [("mp3", "libmp3lame"), ("flac", "flac")])
def test_cover_picture_is_not_video(tmp_path, kind, codec):
    path = tmp_path / f"a.{kind}"
    with av.open(str(path), "w") as output:
        stream = output.add_stream(codec, rate=44100, layout="mono")
        cover = output.add_stream("png")
        cover.width, cover.height, cover.pix_fmt = 64, 48, "rgb24"
        cover.disposition = av.stream.Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(corners())
        for packet in [*cover.encode(picture), *cover.encode(None)]:
            output.mux(packet)
        for frame in [*sound_frames(Sound(samples=tone(1, rate=44100), rate=44100), stream), None]:
            for packet in stream.encode(frame):
                output.mux(packet)
    with av.open(str(path)) as container:
        assert container.streams.video
    info = probe(path)
    assert (info.has_sound, info.has_film) == (True, False)
    assert len(read_sound(path)) == 16000
    with pytest.raises(MediaError) as caught:
        list(read_frames(path, [0.0]))
    assert caught.value.reason == Reason.NO_FILM


def test_tags_in_another_encoding(tmp_path):
    path = write_media(tmp_path / "a.mp3", sound=Sound(samples=tone(1), codec="libmp3lame"))
    tag = b"TAG" + b"Caf\xe9 \xff".ljust(30, b" ") + b" " * 94 + b"\x00"
    path.write_bytes(path.read_bytes() + tag)
    assert probe(path).has_sound
    assert len(read_sound(path)) == 16000


def test_information_is_immutable(media):
    with pytest.raises(dataclasses.FrozenInstanceError):
        probe(media("wav")).duration = 1.0
