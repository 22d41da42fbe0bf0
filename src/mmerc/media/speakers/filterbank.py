"""Log-mel filterbank energies as in Kaldi, the input of CAM++."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmerc.media.resampling import SAMPLE_RATE

_BANDS = 80
STEP_SAMPLES = 160
WINDOW_SAMPLES = 400
_FOURIER_SAMPLES = 512
_PRE_EMPHASIS = 0.97
_FULL_SCALE = 2.0**15  # Kaldi reads samples as 16-bit integers


def compute_filterbank(samples: Tensor) -> Tensor:
    """Compute the log energy of 80 mel bands every 10 ms, each over 25 ms.

    Shape: [T] float at 16 kHz, at least 400 samples -> [1 + (T - 400) // 160, 80].
    """
    frames = samples.unfold(0, WINDOW_SAMPLES, STEP_SAMPLES) * _FULL_SCALE
    frames = frames - frames.mean(-1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], dim=1)
    windowed = (frames - _PRE_EMPHASIS * before) * _window()
    power = torch.fft.rfft(windowed, _FOURIER_SAMPLES).abs() ** 2
    energies: Tensor = power @ _mel_bands()
    return energies.clamp_min(torch.finfo(torch.float32).eps).log()


@cache
def _window() -> Tensor:
    """Shape: -> [400]."""
    return torch.tensor(np.hanning(WINDOW_SAMPLES) ** 0.85, dtype=torch.float32)


@cache
def _mel_bands() -> Tensor:
    """Shape: -> [257, 80]."""
    edges = np.linspace(_mel(20.0), _mel(SAMPLE_RATE / 2), _BANDS + 2)
    spectrum = np.arange(_FOURIER_SAMPLES // 2 + 1) * (SAMPLE_RATE / _FOURIER_SAMPLES)
    slopes = edges - _mel(spectrum)[:, None]
    widths = np.diff(edges)
    bands = np.maximum(0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    return torch.tensor(bands, dtype=torch.float32)


def _mel(hertz: Any) -> Any:
    """Convert frequencies to mels, as in Kaldi."""
    return 1127.0 * np.log(1.0 + hertz / 700.0)
