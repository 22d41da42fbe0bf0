"""The two speaker networks, compared with slow implementations, and their weights."""

import math

import numpy as np
import pytest
import torch
from transformers.audio_utils import mel_filter_bank, spectrogram, window_function

from mmerc.errors import InputError
from mmerc.media.speakers import voice_encoder, weights
from mmerc.media.speakers.filterbank import compute_filterbank
from mmerc.media.speakers.segmentation import (
    CHUNK_FRAMES,
    CHUNK_SAMPLES,
    _SegmentationNetwork,
    find_active_speakers,
)
from mmerc.media.speakers.voice_encoder import encode_voice
from mmerc.media.speakers.weights import load_speaker_weights


def test_filterbank_equals_kaldi_frame_by_frame():
    samples = np.random.default_rng(0).normal(0, 0.1, 5000).astype(np.float32)
    bands = mel_filter_bank(257, 80, 20.0, 8000.0, 16000, None, "kaldi", True)
    expected = spectrogram(
        samples.astype(np.float64) * 2**15, window_function(400, "povey", periodic=False),
        frame_length=400, hop_length=160, fft_length=512, power=2.0, center=False,
        preemphasis=0.97, mel_filters=bands, log_mel="log", mel_floor=1.192092955078125e-07,
        remove_dc_offset=True,
    ).T  # fmt: skip
    filterbank = compute_filterbank(torch.from_numpy(samples))
    assert filterbank.shape == expected.shape == (29, 80)
    np.testing.assert_allclose(filterbank.numpy(), expected, atol=2e-3)


def test_sinc_filters_are_windowed_band_passes():
    network = _SegmentationNetwork()
    load_speaker_weights(network, "segmentation.safetensors")
    layer = network.sincnet.conv1d[0]
    filters = layer.filters().detach()[:, 0].double().numpy()
    low = 50 + np.abs(layer.low_hz_.detach().double().numpy()[:, 0])
    high = np.minimum(low + 50 + np.abs(layer.band_hz_.detach().double().numpy()[:, 0]), 8000)
    window = np.hamming(251)
    for row in (0, 7, 39):
        for position in (0, 60, 124):
            time = (position - 125) / 16000
            angles = 2 * math.pi * time * high[row], 2 * math.pi * time * low[row]
            scale = window[position] / (math.pi * time) / (2 * (high[row] - low[row]))
            even = (math.sin(angles[0]) - math.sin(angles[1])) * scale
            odd = (math.cos(angles[1]) - math.cos(angles[0])) * scale
            assert filters[row, position] == pytest.approx(even, abs=2e-3)
            assert filters[40 + row, position] == pytest.approx(odd, abs=2e-3)
    assert np.abs(filters[:40] - filters[:40, ::-1]).max() < 1e-6
    assert np.abs(filters[40:] + filters[40:, ::-1]).max() < 1e-6


def test_silence_and_noise_contain_no_speech():
    noise = torch.randn(CHUNK_SAMPLES, generator=torch.Generator().manual_seed(0)) * 0.01
    for samples in (torch.zeros(CHUNK_SAMPLES), noise):
        active = find_active_speakers(samples)
        assert active.shape == (CHUNK_FRAMES, 3)
        assert not active.any()


def test_voice_vector_has_unit_length_and_ignores_loudness(voices):
    filterbank = compute_filterbank(torch.from_numpy(voices["man"]))
    vector = encode_voice(filterbank)
    assert vector.shape == (192,)
    assert float(vector.norm()) == pytest.approx(1)
    louder = encode_voice(compute_filterbank(torch.from_numpy(voices["man"] * 2)))
    assert float(louder @ vector) > 0.99


def test_voices_of_one_person_are_closer_than_those_of_two(voices):
    halves = {
        name: [
            encode_voice(compute_filterbank(torch.from_numpy(half)))
            for half in np.array_split(samples, 2)
        ]
        for name, samples in voices.items()
    }
    same = min(float(one @ other) for one, other in halves.values())
    other = max(float(a @ b) for a in halves["man"] for b in halves["woman"])
    assert same > other


def test_other_weight_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "__file__", str(tmp_path / "weights.py"))
    with pytest.raises(InputError, match="cannot be read; reinstall mmerc"):
        load_speaker_weights(_SegmentationNetwork(), "segmentation.safetensors")
    (tmp_path / "segmentation.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="not the file that mmerc was released with"):
        load_speaker_weights(_SegmentationNetwork(), "segmentation.safetensors")


def test_any_passage_length_compiles_few_convolutions(monkeypatch):
    """oneDNN keeps memory for every length; padding after a passage changes nothing."""
    network, lengths = voice_encoder._load_network(), set()
    plain = [
        part
        for part in network.modules()
        if isinstance(part, torch.nn.Conv1d | torch.nn.Conv2d)
        and not isinstance(part, voice_encoder._TimeConvolution)
    ]
    hooks = [
        part.register_forward_pre_hook(lambda _, inputs: lengths.add(inputs[0].shape[-1]))
        for part in plain
    ]
    passages = [torch.randn(length, 80) for length in (50, 73, 99, 100)]
    padded = [voice_encoder.encode_voice(passage) for passage in passages]
    for hook in hooks:
        hook.remove()
    assert lengths == {1, 50, 100}  # of one: the pooled statistics
    monkeypatch.setattr(voice_encoder, "_FRAME_STEP", 1)
    exact = [voice_encoder.encode_voice(passage) for passage in passages]
    torch.testing.assert_close(padded, exact, atol=1e-5, rtol=0)
