"""Whisper's encoder on clips of any length (Radford et al. 2022).

transformers pads every clip to 30 s; here a batch is padded to its longest clip. A clip's output
does not depend on the padding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

_SAMPLE_RATE = 16_000
_WINDOW, _HOP = 400, 160  # samples
SAMPLES_PER_POSITION = 2 * _HOP  # the second convolution has stride 2


def whisper_states(backbone: Any, samples: Tensor, lengths: Tensor) -> tuple[list[Tensor], Tensor]:
    """Return the states of every layer and a mask of real positions.

    Shape: samples [U, T] float32 with zeros after lengths [U] -> layers x [U, P, D], [U, P] bool;
    P is T / 320, rounded up.
    """
    positions = -(-samples.shape[1] // SAMPLES_PER_POSITION)
    mask = torch.arange(positions, device=samples.device) * SAMPLES_PER_POSITION < lengths[:, None]
    # One more frame of silence, so that convolutions past a clip's end do not depend on padding.
    frames = log_mel(samples, frames=2 * positions + 1, bands=backbone.config.num_mel_bins)
    return _run_layers(backbone, frames, mask), mask


def _run_layers(backbone: Any, frames: Tensor, mask: Tensor) -> list[Tensor]:
    """Run the encoder; the last layer's states are normalised.

    Shape: frames [U, bands, >= 2 P], mask [U, P] bool -> layers x [U, P, D].
    """
    hidden = functional.gelu(backbone.conv1(frames))
    hidden = functional.gelu(backbone.conv2(hidden)).mT[:, : mask.shape[1]]
    hidden = hidden + backbone.embed_positions.weight[: mask.shape[1]]
    states = []
    for layer in backbone.layers:
        hidden = layer(hidden, mask[:, None, None, :])
        states.append(hidden)
    return [*states[:-1], backbone.layer_norm(states[-1])]


@torch.no_grad()
def log_mel(samples: Tensor, *, frames: int, bands: int) -> Tensor:
    """Compute Whisper's spectrogram of clips followed by silence.

    Shape: samples [U, T] at 16 kHz -> [U, bands, frames].
    """
    with torch.autocast(samples.device.type, enabled=False):
        needed = frames * _HOP + _WINDOW
        padded = functional.pad(samples.float(), (0, max(0, needed - samples.shape[1])))
        window = torch.hann_window(_WINDOW, device=samples.device)
        spectrum = torch.stft(padded, _WINDOW, _HOP, window=window, return_complex=True)
        power = spectrum[..., :frames].abs() ** 2
        logs = (_mel_filters(bands).to(samples.device) @ power).clamp(min=1e-10).log10()
        loudest = logs.amax(dim=(1, 2), keepdim=True)
        return (torch.maximum(logs, loudest - 8.0) + 4.0) / 4.0


@cache
def _mel_filters(bands: int) -> Tensor:
    """Return the mel filter bank of Slaney, of equal areas (librosa's). Shape: -> [bands, 201]."""
    mels = np.linspace(0.0, 15.0 + 27.0 / np.log(6.4) * np.log(_SAMPLE_RATE / 2 / 1000), bands + 2)
    edges = 200.0 * mels / 3.0  # hertz; above 1000, logarithmic
    high = mels >= 15.0
    edges[high] = 1000.0 * np.exp(np.log(6.4) / 27.0 * (mels[high] - 15.0))
    slopes = edges - np.linspace(0, _SAMPLE_RATE // 2, 1 + _WINDOW // 2)[:, None]
    widths = np.diff(edges)
    filters = np.maximum(0, np.minimum(-slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]))
    filters *= 2.0 / (edges[2:] - edges[:-2])
    return torch.from_numpy(filters.T).float().contiguous()
