"""Audio and images of live sessions, decoded within limits."""

import io
import random
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest
from live_sockets import jpeg

from mmerc.serving.live import hosted_session, webm_sound
from mmerc.serving.live.jpeg_frames import decode_jpeg
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.sound_decoding import create_decoder


def test_both_sample_formats_are_equal_and_invalid_ones_refused():
    short = np.array([-32768, 0, 12345], "<i2")
    long = (short / 32768).astype("<f4")
    first = create_decoder("pcm_s16le", 16000).decode(short.tobytes())
    second = create_decoder("pcm_f32le", 16000).decode(long.tobytes())
    assert first.dtype == second.dtype == np.float32 and (first == second).all()
    with pytest.raises(RefusedError, match="not finite"):
        create_decoder("pcm_f32le", 16000).decode(np.array([np.nan], "<f4").tobytes())
    loud = create_decoder("pcm_f32le", 16000).decode(np.array([99], "<f4").tobytes())
    assert loud == [1]


def test_image_sizes_are_checked_before_decoding():
    assert decode_jpeg(jpeg(64, 48)).shape == (48, 64, 3)
    large = bytearray(jpeg(64, 48))
    place = large.index(b"\xff\xc0")
    large[place + 5 : place + 9] = b"\xff\xff\xff\xff"  # claims 65,535 x 65,535 pixels
    with pytest.raises(RefusedError, match="65535 x 65535"):
        decode_jpeg(bytes(large))
    for data in (b"", b"\xff\xd8\xff", b"GIF89a", bytes(300_001)):
        with pytest.raises(RefusedError):
            decode_jpeg(data)
    generator = random.Random(0)
    for _ in range(200):
        damaged = bytearray(jpeg(64, 48))
        for _ in range(5):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            assert decode_jpeg(bytes(damaged)).ndim == 3
        except RefusedError:
            continue


def webm_of_packets(packet, count, *, seconds):
    """WebM with ``count`` copies of one Opus packet."""
    target = io.BytesIO()
    with av.open(target, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        stream.codec_context.open()
        for number in range(count):
            item = av.Packet(packet)
            item.stream, item.time_base = stream, Fraction(1, 1000)
            item.pts = item.dts = round(number * seconds * 1000)
            container.mux(item)
    return target.getvalue()


@pytest.fixture
def clock(monkeypatch):
    """The clock used to detect audio that arrives faster than real time."""
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=0.0)
    monkeypatch.setattr(webm_sound, "time", clock)
    return clock


@pytest.fixture(scope="module")
def muted():
    """Five minutes of a muted microphone."""
    target = io.BytesIO()
    with av.open(target, "w", format="webm") as container:
        options = {"frame_duration": "120"}  # the longest packets give the fewest bytes
        stream = container.add_stream("libopus", rate=48000, layout="mono", options=options)
        for number in range(300 * 25):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.float32), "flt", "mono")
            frame.sample_rate, frame.pts = 48000, number * 1920
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return target.getvalue()


def test_muted_microphone_counts_as_audio(muted, clock):
    decoder, seconds = create_decoder("webm_opus", None), 0.0
    for start in range(0, len(muted), 600):
        clock.now = 300 * start / len(muted)
        seconds += len(decoder.decode(muted[start : start + 600])) / 16000
    assert seconds + len(decoder.close()) / 16000 == pytest.approx(300, abs=1)


def test_claimed_silence_cannot_outrun_the_clock(muted, clock):
    decoder = create_decoder("webm_opus", None)
    with pytest.raises(RefusedError, match="so short a time"):
        for start in range(0, len(muted), 600):
            decoder.decode(muted[start : start + 600])


@pytest.mark.parametrize(("now", "longest"), [(0.0, 75), (1e9, 150)])
def test_few_bytes_cannot_expand_to_hours_of_audio(clock, now, longest):
    """Two bytes of Opus (RFC 6716, section 3.2.5) stand for 120 ms of silence."""
    silence = bytes([0b00000011 | 1 << 3, 6])  # six frames of 20 ms without content
    data = webm_of_packets(silence, 3000, seconds=0.12)  # 6 minutes
    assert len(data) < 50_000
    decoder, seconds = create_decoder("webm_opus", None), 0.0
    clock.now = now
    with pytest.raises(RefusedError, match="more sound than so few bytes") as refused:
        for start in range(0, len(data), hosted_session._COMPRESSED_BATCH):
            part = decoder.decode(data[start : start + hosted_session._COMPRESSED_BATCH])
            assert len(part) / 16000 < 75
            seconds += len(part) / 16000
    assert refused.value.fatal and seconds < longest
