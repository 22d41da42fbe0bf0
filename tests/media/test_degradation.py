"""Noise, compared with its definition, and lost frames."""

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from mmerc.data.sounds import _LONGEST, read_samples
from mmerc.features.base import Absent
from mmerc.features.opensmile import OpenSmile
from mmerc.media.decode import SAMPLE_RATE, read_clip, read_sound
from mmerc.media.degradation import FrameLoss, Noise
from mmerc.media.segment import Clip, Segment

SEEDS = st.integers(0, 2**64 - 1)


def sound(seconds, loud=0.1):
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    return (loud * np.sin(2 * np.pi * 220 * time) * np.linspace(0, 1, len(time))).astype(np.float32)


def ratio(clean, noisy):
    """Signal-to-noise ratio in decibels, by definition."""
    clean, noisy = clean.astype(np.float64), noisy.astype(np.float64)
    return 10 * np.log10((clean**2).sum() / ((noisy - clean) ** 2).sum())


@pytest.mark.parametrize("decibels", [20, 10, 0, -5.5])
@pytest.mark.parametrize("loud", [0.9, 1e-3])
def test_signal_to_noise_ratio_is_as_requested(decibels, loud):
    clean = sound(0.5, loud)
    noisy = Noise(decibels, 7).added_to(clean)
    assert (noisy.shape, noisy.dtype) == (clean.shape, np.float32)
    assert ratio(clean, noisy) == pytest.approx(decibels, abs=1e-3)


def test_noise_is_white_and_equal_for_every_ratio():
    clean = sound(2.0)
    faint, loud = (Noise(decibels, 7).added_to(clean) - clean for decibels in (20, 0))
    assert np.corrcoef(faint, loud)[0, 1] > 0.9999
    power = np.abs(np.fft.rfft(loud)) ** 2
    quarters = [part.mean() for part in np.array_split(power, 4)]
    assert max(quarters) < 1.1 * min(quarters)


def test_result_depends_on_the_seed():
    clean = sound(0.1)
    one, same, other = (Noise(10, seed).added_to(clean) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert abs(np.corrcoef(one - clean, other - clean)[0, 1]) < 0.1


@pytest.mark.parametrize("length", [0, 1, 8000])
def test_digital_silence_stays_silence(length):
    silence = np.zeros(length, np.float32)
    assert np.array_equal(Noise(0, 3).added_to(silence), silence)


@pytest.fixture
def wave(tmp_path):
    soundfile.write(tmp_path / "own.wav", sound(12.0), SAMPLE_RATE, subtype="FLOAT")
    return tmp_path / "own.wav"


def test_clip_is_read_with_its_noise(wave):
    clean = read_clip(Clip(wave, start=1.0, end=2.0))
    assert np.array_equal(clean, read_sound(wave, start=1.0, end=2.0))
    noisy = read_clip(Clip(wave, start=1.0, end=2.0, noise=Noise(10, 5)))
    assert ratio(clean, noisy) == pytest.approx(10, abs=1e-3)


def test_models_of_waveforms_hear_the_noise(wave):
    clean, noisy = (read_samples(Clip(wave, noise=noise)).numpy() for noise in (None, Noise(0, 5)))
    assert len(noisy) == _LONGEST * SAMPLE_RATE
    assert ratio(clean, noisy) == pytest.approx(0, abs=1e-3)


def test_vectors_are_extracted_from_the_noise(wave, tmp_path):
    smile, noise = OpenSmile("is10"), Noise(10, 5)
    actual = smile.extract(Segment(sound=Clip(wave, end=1.0, noise=noise)))
    assert np.array_equal(actual, smile.extract_samples(noise.added_to(read_sound(wave, end=1.0))))
    assert not np.array_equal(actual, smile.extract(Segment(sound=Clip(wave, end=1.0))))
    soundfile.write(tmp_path / "silent.wav", np.zeros(SAMPLE_RATE, np.float32), SAMPLE_RATE)
    silent = Segment(sound=Clip(tmp_path / "silent.wav", noise=Noise(0, 5)))
    assert smile.extract(silent) == Absent("silence")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_requested_share_of_frames_is_lost(share):
    lost = [20 - len(FrameLoss(share, seed).arriving(20)) for seed in range(2000)]
    assert sum(lost) / 40_000 == pytest.approx(share, abs=0.01)
    assert len(set(lost)) > 5  # each frame by itself


@given(SEEDS, st.integers(0, 30), st.floats(0, 1), st.floats(0, 1))
def test_larger_share_loses_the_same_frames_and_more(seed, count, one, other):
    small, great = sorted((one, other))
    arrived = FrameLoss(small, seed).arriving(count)
    assert arrived == sorted(set(arrived))
    assert set(FrameLoss(great, seed).arriving(count)) <= set(arrived) <= set(range(count))
    assert FrameLoss(0.0, seed).arriving(count) == list(range(count))
    assert FrameLoss(1.0, seed).arriving(count) == []
