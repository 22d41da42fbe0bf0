"""Shifts of sound: another microphone, line or room."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from mmerc.media.degradation import Noise
from mmerc.media.resampling import SAMPLE_RATE

_Samples = NDArray[np.float32]
_QUIETER = 10 ** (-15 / 20)
_TELEPHONE_BAND = (300, 3400)  # Hz
_NOISE = Noise(decibels=15, seed=0)
_ECHO_SECONDS, _ECHO_DECAY, _ECHO_LEVEL = 0.3, 0.06, 0.3


def make_quieter(samples: _Samples) -> _Samples:
    """Lower the level by 15 dB. Shape: float32 [samples] -> float32 [samples], as all here."""
    return samples * np.float32(_QUIETER)


def limit_to_telephone(samples: _Samples) -> _Samples:
    """Limit to the telephone band, 300 to 3,400 Hz."""
    from scipy.signal import butter, sosfilt  # slow to import

    band = butter(4, _TELEPHONE_BAND, btype="bandpass", fs=SAMPLE_RATE, output="sos")
    return np.asarray(sosfilt(band, samples), np.float32)


def add_noise(samples: _Samples) -> _Samples:
    """Add white noise 15 dB below the sound."""
    return _NOISE.added_to(samples)


def add_echo(samples: _Samples) -> _Samples:
    """Add the decaying echo of a small, hard room."""
    times = np.arange(int(_ECHO_SECONDS * SAMPLE_RATE)) / SAMPLE_RATE
    response = np.random.default_rng(0).normal(0, 1, len(times)) * np.exp(-times / _ECHO_DECAY)
    response *= _ECHO_LEVEL / np.sqrt((response**2).sum())
    response[0] = 1
    return np.convolve(samples, response)[: len(samples)].astype(np.float32)


SOUND_SHIFTS: Mapping[str, Callable[[_Samples], _Samples]] = {
    "telephone band": limit_to_telephone,
    "noise at 15 dB": add_noise,
    "echo": add_echo,
}
"""The shifts on a model card, by name."""
