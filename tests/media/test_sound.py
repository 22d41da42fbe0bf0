"""Audio is decoded to 16 kHz in sync, for any container, codec, rate and channels."""

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import Film, Sound, lag, murmur, tone, write_media

from mmerc.media.decode import SAMPLE_RATE, Reason, read_sound
from mmerc.media.segment import MediaError

# Allowed delay of a complete file and of a part, in samples; an AAC frame is 341 samples.
# MPEG-TS does not state an encoder's delay; Matroska counts in milliseconds.
WHOLE = {"ts": 341}
PART = {"ts": 341, "mkv": 16, "webm": 16}
KINDS = ("mp4", "mkv", "mov", "avi", "webm", "ts", "wav", "flac", "mp3", "ogg")


def reason_of(path, **part):
    with pytest.raises(MediaError) as caught:
        read_sound(path, **part)
    return caught.value.reason


@pytest.mark.parametrize("kind", KINDS)
def test_complete_file(media, original, kind):
    actual = read_sound(media(kind))
    assert actual.dtype == np.float32
    assert 4.0 <= len(actual) / SAMPLE_RATE < 4.05
    assert abs(lag(actual[16000:32000], original(kind)[16000:32000], limit=400)) <= WHOLE.get(
        kind, 0
    )


@pytest.mark.parametrize("kind", KINDS)
def test_part_of_a_file(media, original, kind):
    actual = read_sound(media(kind), start=1.2345, end=2.3456)
    expected = original(kind)[19752:37530]
    assert len(actual) == len(expected)
    assert abs(lag(actual, expected, limit=400)) <= PART.get(kind, 0)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_lossless_audio_is_exact(tmp_path, kind):
    samples = murmur(3)
    codec = "flac" if kind == "flac" else "pcm_s16le"
    path = write_media(tmp_path / f"a.{kind}", sound=Sound(samples=samples, codec=codec))
    actual = read_sound(path, start=1.0, end=2.0)
    np.testing.assert_allclose(actual, samples[0, 16000:32000], atol=2**-15)


@pytest.mark.parametrize("codec", ["adpcm_ima_wav", "adpcm_ms"])
@pytest.mark.parametrize("start", [2.0, 5.0, 9.0])
def test_part_of_a_dictaphone_recording(tmp_path, codec, start):
    """Dictaphones and telephone systems write ADPCM, in which FFmpeg seeks to a wrong place."""
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=murmur(10), codec=codec))
    first = round(start * SAMPLE_RATE)
    actual = read_sound(path, start=start, end=start + 1)
    np.testing.assert_allclose(actual, read_sound(path)[first : first + 16000], atol=2e-4)


@pytest.mark.parametrize("kind", ["mp4", "mov", "avi", "flac", "mp3", "ogg"])
@settings(max_examples=8, deadline=None)
@given(start=st.floats(0, 3.9), length=st.floats(0.001, 1.5))
def test_part_equals_the_same_span_of_the_file(media, read_complete, kind, start, length):
    first, stop = round(start * SAMPLE_RATE), round((start + length) * SAMPLE_RATE)
    actual = read_sound(media(kind), start=start, end=start + length)
    # AAC decoders add their own noise; a shift of one sample would have ten times the effect.
    tolerance = 0.02 if kind == "mp4" else 2e-4
    np.testing.assert_allclose(actual, read_complete(kind)[first:stop], atol=tolerance)


@pytest.fixture(scope="module")
def read_complete(media):
    read = {}
    return lambda kind: read.setdefault(kind, read_sound(media(kind)))


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000, 96000])
def test_tone_keeps_frequency_and_loudness(tmp_path, rate):
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=tone(2, rate=rate), rate=rate))
    actual = read_sound(path)
    assert len(actual) == 2 * SAMPLE_RATE
    np.testing.assert_allclose(actual[300:-300], tone(2)[0, 300:-300], atol=1e-3)


def test_frequencies_above_8_khz_do_not_alias(tmp_path):
    sound = Sound(samples=tone(1, rate=48000, frequency=12000), rate=48000)
    actual = read_sound(write_media(tmp_path / "a.wav", sound=sound))
    assert np.abs(actual[300:-300]).max() < 1e-3


@pytest.mark.parametrize(
    ("channel", "expected"),
    [(0, 1.0), (1, 1.0), (2, 2**0.5), (3, 0.0), (4, 0.5**0.5), (5, 0.5**0.5)],
    ids=["left", "right", "centre", "low", "back left", "back right"],
)
def test_channels_of_5_1_are_weighted(tmp_path, channel, expected):
    """ITU-R BS.775: centre in both channels, rear 3 dB lower, no low-frequency effects."""

    def level(sounding):
        samples = np.zeros((6, 48000), np.float32)
        samples[sounding] = tone(1, rate=48000)[0]
        sound = Sound(samples=samples, rate=48000, layout="5.1", codec="flac")
        return float(np.square(read_sound(write_media(tmp_path / "a.flac", sound=sound))).mean())

    assert (level(channel) / level(0)) ** 0.5 == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize("layout", [("mono", 1), ("stereo", 2), ("quad", 4), ("5.1", 6)])
def test_mix_of_loud_channels_stays_in_range(tmp_path, layout):
    name, channels = layout
    square = np.sign(tone(1, rate=48000, channels=channels))
    sound = Sound(samples=square, rate=48000, layout=name, codec="pcm_s16le")
    actual = read_sound(write_media(tmp_path / "a.mkv", sound=sound))
    assert 0.95 < np.abs(actual).max() <= 1.0


@pytest.mark.parametrize("channels", [3, 9, 12, 63, 64])
def test_channels_of_unknown_layout(tmp_path, channels):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5, channels=channels).T, SAMPLE_RATE)
    np.testing.assert_allclose(read_sound(path), tone(0.5)[0], atol=1e-3)


def test_more_than_64_channels(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(0.5, channels=65).T, SAMPLE_RATE)
    assert reason_of(path) == Reason.MANY_CHANNELS


def test_one_of_64_channels_is_as_loud_as_it_is(tmp_path):
    path = tmp_path / "a.wav"
    samples = np.zeros((8000, 64), np.float32)
    samples[:, 40] = tone(0.5)[0]
    soundfile.write(path, samples, SAMPLE_RATE)
    np.testing.assert_allclose(read_sound(path), tone(0.5)[0], atol=1e-3)


@pytest.mark.parametrize(("left", "right"), [(1.0, -1.0), (0.8, -1.0), (-0.5, 0.6)])
@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_cancelling_channels_give_the_louder_one(tmp_path, kind, left, right):
    path = tmp_path / f"a.{kind}"
    voice = murmur(3)[0]
    soundfile.write(path, np.stack([left * voice, right * voice], 1), SAMPLE_RATE)
    louder = (left if abs(left) >= abs(right) else right) * voice
    np.testing.assert_allclose(read_sound(path), louder, atol=1e-3)
    part = read_sound(path, start=1.25, end=2.0)
    np.testing.assert_allclose(part, louder[20000:32000], atol=1e-3)


def test_channels_cancelling_late_in_a_long_recording(tmp_path):
    path = tmp_path / "a.wav"
    voice = np.tile(murmur(60)[0], 2)
    voice[: 30 * SAMPLE_RATE] = 0
    soundfile.write(path, np.stack([voice, -voice], 1), SAMPLE_RATE)
    np.testing.assert_allclose(
        read_sound(path, start=100, end=101), voice[1600000:1616000], atol=1e-3
    )


@pytest.mark.parametrize(("left", "right"), [(1.0, 0.0), (1.0, 1.0), (1.0, -0.3)])
def test_channels_that_do_not_cancel_are_mixed(tmp_path, left, right):
    path = tmp_path / "a.wav"
    voice = murmur(1)[0]
    soundfile.write(path, np.stack([left * voice, right * voice], 1), SAMPLE_RATE)
    np.testing.assert_allclose(read_sound(path), (left + right) / 2 * voice, atol=1e-3)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW"])
def test_sample_formats_of_wav(tmp_path, subtype):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(1, rate=22050)[0], 22050, subtype=subtype)
    actual = read_sound(path, start=0.301)
    rough = {"PCM_U8": 0.01, "ULAW": 0.02}.get(subtype, 1e-3)
    np.testing.assert_allclose(actual[:-300], tone(1)[0, 4816:-300], atol=rough)


def test_digital_silence_stays_exactly_zero(tmp_path):
    sound = Sound(samples=np.zeros((2, 44100), np.float32), rate=44100, layout="stereo")
    actual = read_sound(write_media(tmp_path / "a.wav", sound=sound))
    assert len(actual) == SAMPLE_RATE
    assert not actual.any()


def test_ten_millisecond_clip(tmp_path, media):
    path = write_media(tmp_path / "a.wav", sound=Sound(samples=tone(0.01)))
    assert len(read_sound(path)) == 160
    assert len(read_sound(media("mp4"), start=1.0, end=1.01)) == 160


@pytest.mark.parametrize("kind", ["mp4", "mkv", "wav", "mp3"])
def test_spans_beyond_the_ends_are_clipped(media, kind):
    path = media(kind)
    tail = read_sound(path, start=3.9, end=60.0)
    assert 0.1 <= len(tail) / SAMPLE_RATE < 0.15
    assert reason_of(path, start=60.0, end=61.0) == Reason.PAST_SOUND
    assert reason_of(path, start=1e30, end=2e30) == Reason.PAST_SOUND
    assert reason_of(path, start=1.0, end=1.0) == Reason.TOO_SHORT
    assert reason_of(path, start=2.0, end=1.0) == Reason.TOO_SHORT


def test_silence_before_a_late_start(media):
    actual = read_sound(media("wav"), start=-0.5, end=0.5)
    assert not actual[:8000].any()
    np.testing.assert_array_equal(actual[8000:], read_sound(media("wav"), end=0.5))


@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov", "ts"])
def test_late_audio_stays_aligned_with_its_video(tmp_path, kind):
    codec = {"mov": "pcm_s16le"}.get(kind, "aac")
    sound = Sound(samples=murmur(2, rate=48000), rate=48000, codec=codec, start=0.48)
    path = write_media(tmp_path / f"a.{kind}", film=Film(), sound=sound)
    actual = read_sound(path, end=2.0)
    assert not actual[: round(0.45 * SAMPLE_RATE)].any()
    reference = write_media(tmp_path / "a.wav", sound=Sound(samples=sound.samples, rate=48000))
    expected = read_sound(reference)[4000:20000]
    assert abs(lag(actual[7680 + 4000 :][:16000], expected, limit=400)) <= 16
    assert reason_of(path, start=0.1, end=0.3) == Reason.TOO_SHORT


def test_gap_is_silent_and_the_rest_is_not_shifted(tmp_path):
    samples = murmur(3)
    sound = Sound(samples=samples, hole_at=1.0, hole=1.5)
    actual = read_sound(write_media(tmp_path / "a.mkv", sound=sound))
    assert len(actual) == 4.5 * SAMPLE_RATE
    np.testing.assert_allclose(actual[:16000], samples[0, :16000], atol=2**-15)
    assert not actual[16000:40000].any()
    np.testing.assert_allclose(actual[40000:], samples[0, 16000:], atol=2**-15)


def test_audio_that_changes_rate_and_channels(tmp_path):
    low = Sound(samples=tone(1, rate=44100), rate=44100, codec="aac")
    high = Sound(samples=tone(1, rate=48000, channels=2), rate=48000, layout="stereo", codec="aac")
    paths = [
        write_media(tmp_path / f"{sound.rate}.aac", sound=sound, container="adts")
        for sound in (low, high)
    ]
    both = tmp_path / "both.aac"
    both.write_bytes(b"".join(path.read_bytes() for path in paths))
    lengths = [len(read_sound(path)) for path in paths]
    assert len(read_sound(both)) == pytest.approx(sum(lengths), abs=2)
