"""Speech is detected in audio of any length and split into utterances."""

import math
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from media_files import Film, Sound, murmur, tone, write_media

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.media.decode import SAMPLE_RATE, Reason, read_sound
from mmerc.media.segment import MediaError
from mmerc.media.voice_activity import (
    SpanCutter,
    UtteranceLimits,
    _speech_spans,
    find_speech,
    read_pieces,
)
from mmerc.media.voice_network import (
    _BLOCK,
    _SILERO,
    FRAME,
    SpeechStream,
    _in_blocks,
    speech_probabilities,
)

DATA = Path(__file__).parent / "data"
LIMITS = UtteranceLimits()
FRAMES_A_SECOND = SAMPLE_RATE / FRAME


def silence(seconds):
    return np.zeros(round(seconds * SAMPLE_RATE), np.float32)


@pytest.fixture(scope="module")
def talk():
    """Two consecutive speakers between silences, 9.152 s (286 frames), and the times of speech."""
    parts = [silence(1.5), woman(), silence(1.3), man(), silence(1)]
    samples = np.concatenate(parts)[: 286 * FRAME]
    # Checked by ear and eye: above 1 % of full scale from 0.22 to 2.40 s, and 0.20 to 2.72 s.
    return samples, [(1.72, 3.90), (5.53, 8.05)]


def woman():
    return read_sound(DATA / "woman.ogg")


def man():
    return read_sound(DATA / "man.ogg")


def times(spans):
    return [(span.start, span.end) for span in spans]


def _spans_of(probabilities, limits):
    cutter = SpanCutter(limits)
    return (*cutter.feed(probabilities), *cutter.finish())


def test_network_equals_the_published_one_frame_by_frame(talk):
    """The TorchScript file of the same package, which takes one frame at a time."""
    samples = talk[0][: 130 * FRAME]
    reference = torch.jit.load(_SILERO.locate() / "silero_vad.jit")
    frames = torch.from_numpy(samples).split(FRAME)
    expected = [reference(frame, SAMPLE_RATE).item() for frame in frames]
    actual = np.concatenate(list(speech_probabilities([samples])))
    np.testing.assert_allclose(actual, expected, atol=1e-3)
    assert min(expected) < 0.1 < 0.9 < max(expected)


@pytest.mark.parametrize(("kind", "codec"), [("wav", "pcm_s16le"), ("mp4", "aac")])
def test_speech_between_silences(tmp_path, talk, kind, codec):
    samples, expected = talk
    film = Film() if kind == "mp4" else None
    sound = Sound(samples=samples[None], codec=codec)
    actual = times(find_speech(write_media(tmp_path / f"a.{kind}", film=film, sound=sound)))
    np.testing.assert_allclose(actual, expected, atol=0.2)


@pytest.mark.parametrize(
    "samples",
    [
        silence(3),
        tone(3)[0],
        murmur(3)[0],
        0.1 * np.random.default_rng(0).normal(size=48000).astype(np.float32),
    ],
    ids=["silence", "tone", "murmur", "noise"],
)
def test_non_speech_sounds(samples):
    assert _speech_spans([samples]) == ()
    assert _speech_spans([samples[:0]]) == ()


def test_long_recording_equals_its_parts(talk):
    """More than a minute with speech at its end: the next block continues from there."""
    samples, expected = talk
    period = len(samples) / SAMPLE_RATE
    sound = np.concatenate([silence(2), *[samples] * 8])
    actual = _speech_spans(np.split(sound, range(7919, len(sound), 7919)))
    assert actual == _speech_spans([sound])
    again = [2 + i * period + np.array(span) for i in range(8) for span in expected]
    np.testing.assert_allclose(times(actual), again, atol=0.2)
    assert any(start + 1 < _BLOCK / SAMPLE_RATE < end - 0.5 for start, end in times(actual))


def test_audio_in_pieces_equals_the_complete_audio(talk):
    samples = talk[0]
    (whole,) = speech_probabilities([samples])
    stream = SpeechStream()
    pieces = np.split(samples, np.cumsum([5, 700, 0, 511, 1, 16_000, 33_333]))
    parts = [stream.feed(piece) for piece in pieces]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-5)
    cutter = SpanCutter()
    spans = [span for part in parts for span in cutter.feed(part)]
    assert (*spans, *cutter.finish()) == _speech_spans([samples])


@pytest.mark.parametrize(
    "lengths",
    [
        [],
        [1],
        [FRAME],
        [_BLOCK],
        [_BLOCK + 1],
        [700_000, 0, 700_000, 5],
        [2 * _BLOCK + 600, 900_000],
    ],
)
def test_blocks_contain_the_same_samples(lengths):
    sound = np.arange(sum(lengths), dtype=np.float32)
    actual = list(_in_blocks(np.split(sound, np.cumsum(lengths)[:-1])))
    assert {len(block) for block in actual[:-1]} <= {_BLOCK}
    assert all(0 < len(block) <= _BLOCK for block in actual)
    whole = len(sound) // FRAME * FRAME
    np.testing.assert_array_equal(np.concatenate([*actual, sound[:0]]), sound[:whole])


def test_at_most_a_minute_and_a_piece_are_in_memory():
    alive = weakref.WeakSet()
    most = 0

    class Piece(np.ndarray):
        """An array that can be put in a set."""

        __hash__ = object.__hash__

    def sound():
        nonlocal most
        for _ in range(60):
            piece = silence(10).view(Piece)
            alive.add(piece)
            most = max(most, len(alive))
            yield piece

    assert sum(map(len, _in_blocks(sound()))) == 10 * _BLOCK
    assert most <= 9


def test_file_is_read_in_short_pieces(tmp_path):
    path = write_media(tmp_path / "a.flac", sound=Sound(samples=murmur(20), codec="flac"))
    actual = list(read_pieces(path))
    assert max(map(len, actual)) < SAMPLE_RATE
    np.testing.assert_array_equal(np.concatenate(actual), read_sound(path))


def frames(*runs):
    """Probabilities from runs of (seconds, probability)."""
    return np.concatenate(
        [np.full(round(time * FRAMES_A_SECOND), probability) for time, probability in runs]
    ).astype(np.float32)


@pytest.mark.parametrize(
    ("pause", "expected"),
    [(0.4, [(0.95, 4.45)]), (0.6, [(0.95, 2.05), (2.55, 4.65)])],
)
def test_pause_separates_utterances(pause, expected):
    actual = _spans_of(frames((1, 0), (1, 0.9), (pause, 0.1), (2, 0.9), (1, 0)), LIMITS)
    np.testing.assert_allclose(times(actual), expected, atol=0.07)


def test_medium_probability_continues_but_does_not_start_speech():
    actual = _spans_of(frames((2, 0.45), (1, 0.6), (1, 0.45), (2, 0.1)), LIMITS)
    np.testing.assert_allclose(times(actual), [(1.95, 4.05)], atol=0.07)


@pytest.mark.parametrize(("length", "count"), [(0.2, 0), (0.3, 1)])
def test_shortest_utterance(length, count):
    assert len(_spans_of(frames((1, 0), (length, 0.9), (1, 0)), LIMITS)) == count


def test_long_speech_is_split_at_its_lowest_probability():
    """45 s with pauses of 0.3 s at 13 s and 30 s, and one in the first 5 s, which is too early."""
    runs = [(5, 0.9), (0.3, 0), (7.7, 0.9), (0.3, 0), (16.7, 0.9), (0.3, 0), (14.7, 0.9)]
    actual = times(_spans_of(frames(*runs), LIMITS))
    np.testing.assert_allclose(actual, [(0, 13.15), (13.15, 30.15), (30.15, 45)], atol=0.1)
    assert actual[0][1] == actual[1][0]


RUNS = st.lists(st.tuples(st.floats(0.03, 30), st.sampled_from([0.0, 0.4, 0.9])), max_size=8)
CHOICES = st.builds(
    UtteranceLimits,
    pause=st.floats(0.01, 2),
    shortest=st.floats(0.01, 2),
    longest=st.floats(5, 30),
)


@settings(deadline=None, max_examples=40)
@given(runs=RUNS, limits=CHOICES)
def test_utterances_respect_the_length_limits(runs, limits):
    probabilities = frames((0.1, 0), *runs)
    actual = _spans_of(probabilities, limits)
    ends = [0.0]
    for span in actual:
        assert ends[-1] <= span.start < span.end
        assert limits.shortest <= span.end - span.start <= limits.longest + 1e-6
        ends.append(span.end)
    assert ends[-1] <= len(probabilities) / FRAMES_A_SECOND + 1e-6
    longest_run = max((time for time, probability in runs if probability == 0.9), default=0)
    assert actual or longest_run < limits.shortest + 2 / FRAMES_A_SECOND


@pytest.mark.parametrize(
    "wrong", [{"pause": 0}, {"shortest": 0}, {"longest": 1.4}, {"shortest": math.nan}]
)
def test_invalid_limits_are_refused(wrong):
    with pytest.raises(UsageError, match=r"are impossible; choose times above zero, and a longest"):
        UtteranceLimits(**wrong)


def test_files_without_audio(tmp_path, talk):
    short = write_media(tmp_path / "short.wav", sound=Sound(samples=tone(0.01)))
    silent = write_media(tmp_path / "silent.mp4", film=Film())
    whole = write_media(tmp_path / "a.flac", sound=Sound(samples=talk[0][None], codec="flac"))
    cut_off = tmp_path / "cut.flac"
    cut_off.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    message = {
        short: "too short for speech; give a recording of 32 ms or more",
        silent: Reason.NO_SOUND,
        cut_off: Reason.NOT_MEDIA,
        tmp_path / "none.wav": Reason.NO_FILE,
    }
    for path, reason in message.items():
        with pytest.raises(MediaError) as caught:
            find_speech(path)
        assert str(caught.value).startswith(f"{path}: {reason}")


def test_other_weight_files_are_refused(tmp_path, monkeypatch):
    content = bytearray(next(_SILERO.locate().glob("*sequence.onnx")).read_bytes())
    content[len(content) // 2] ^= 1
    package = tmp_path / "silero_vad"
    (package / "data").mkdir(parents=True)
    (package / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "silero_vad", raising=False)
    with pytest.raises(InputError, match=r"onnx: cannot be read; reinstall silero-vad==6"):
        _speech_spans([silence(1)])
    (package / "data" / "silero_vad_16k_sequence.onnx").write_bytes(content)
    with pytest.raises(InputError, match=r"onnx: expected SHA-256 .* reinstall silero-vad==6"):
        _speech_spans([silence(1)])


@pytest.mark.parametrize("package", ["silero_vad", "onnxruntime"])
def test_missing_packages_are_reported(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MmercError, match=r"not installed; install it with `pip install 'mmerc\["):
        _speech_spans([silence(1)])
