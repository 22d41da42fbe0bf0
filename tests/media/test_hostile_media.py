"""An untrusted file opens no other file and takes bounded memory."""

import socket
import struct
import threading
from fractions import Fraction

import av
import pytest
from media_files import Film, Sound, tone, write_media

from mmerc.media import container
from mmerc.media.decode import Reason, probe, read_frames, read_sound
from mmerc.media.segment import MediaError


def refusals(path):
    actual = []
    for read in (read_sound, probe, lambda path: list(read_frames(path, [0.0]))):
        with pytest.raises(MediaError) as caught:
            read(path)
        actual.append(caught.value.reason)
    return set(actual)


def playlist(target):
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:3,\n{target}\n#EXT-X-ENDLIST\n"


@pytest.fixture
def private(tmp_path):
    sound = Sound(samples=tone(3, rate=48000), rate=48000, codec="aac")
    return write_media(tmp_path / "private.ts", film=Film(), sound=sound)


@pytest.mark.parametrize("name", ["list.m3u8", "list.mp4", "list.ts", "list"])
def test_m3u8_with_a_local_path(tmp_path, private, name):
    path = tmp_path / name
    path.write_text(playlist(private))
    assert refusals(path) == {Reason.NOT_MEDIA}


def test_ffmpeg_itself_would_follow_such_files(tmp_path, private):
    for name, text in (("a.m3u8", playlist(private)), ("a.ffconcat", concat("private.ts"))):
        (tmp_path / name).write_text(text)
        with av.open(str(tmp_path / name)) as opened:
            assert opened.streams.audio


def concat(target):
    return f"ffconcat version 1.0\nfile {target}\n"


SESSION = "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n"


@pytest.mark.parametrize(
    ("name", "text"),
    [("a.ffconcat", concat("private.ts")), ("a.wav", concat("private.ts")), ("a.sdp", SESSION)],
)
def test_other_formats_that_reference_files(tmp_path, private, name, text):
    (tmp_path / name).write_text(text)
    assert refusals(tmp_path / name) == {Reason.NOT_MEDIA}


def test_urls_are_not_opened(tmp_path):
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            while True:
                try:
                    calls.append(server.accept())
                except OSError:
                    return

        threading.Thread(target=answer, daemon=True).start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/a.ts"
        for name, text in (("a.m3u8", playlist(address)), ("a.ffconcat", concat(address))):
            (tmp_path / name).write_text(text)
            assert refusals(tmp_path / name) == {Reason.NOT_MEDIA}
        server.shutdown(socket.SHUT_RDWR)
    assert not calls


def test_frames_above_8192_pixels(tmp_path):
    film = Film(times=[0.0, 0.04], width=8208, height=16)
    path = write_media(tmp_path / "a.mp4", film=film, sound=Sound(samples=tone(1), codec="aac"))
    for read in (probe, lambda path: list(read_frames(path, [0.0]))):
        with pytest.raises(MediaError) as caught:
            read(path)
        assert caught.value.reason == Reason.TOO_LARGE
    assert len(read_sound(path)) >= 16000


def test_size_limit_applies_to_every_frame(media, monkeypatch):
    """A decoder refuses frames larger than the container states, before allocating memory."""
    assert len(list(read_frames(media("mkv"), [0.0]))) == 1
    monkeypatch.setitem(container.LIMITS, "max_pixels", str(64 * 48 - 1))
    with pytest.raises(MediaError) as caught:
        list(read_frames(media("mkv"), [0.0]))
    assert caught.value.reason == Reason.NOT_MEDIA


def test_absurd_sampling_rate(tmp_path):
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=tone(1)))
    header = struct.pack("<I", 16000)
    assert path.read_bytes().count(header) == 1
    path.write_bytes(path.read_bytes().replace(header, struct.pack("<I", 2_000_000_011)))
    with pytest.raises(MediaError) as caught:
        read_sound(path)
    assert caught.value.reason == Reason.NOT_MEDIA


def test_absurd_pixel_aspect_ratio(tmp_path):
    film = Film(times=[0.0, 0.04], width=640, aspect=Fraction(16))
    path = write_media(tmp_path / "a.mp4", film=film)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert caught.value.reason == Reason.TOO_LARGE
