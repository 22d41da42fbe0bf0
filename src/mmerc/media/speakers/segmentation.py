"""Speaker activity in ten seconds of sound: pyannote's segmentation-3.0 (Plaquet and Bredin 2023).

The network distinguishes at most three speakers per chunk, two of them at the same time. Its
classes are the possible sets of active speakers ("powerset"), so no threshold is needed.
"""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.media.resampling import SAMPLE_RATE
from mmerc.media.speakers.weights import load_speaker_weights

_CHUNK_SECONDS = 10.0
CHUNK_SAMPLES = int(_CHUNK_SECONDS * SAMPLE_RATE)
FRAME_SECONDS = 270 / SAMPLE_RATE  # the strides of the network: 10 * 3 * 3 * 3 samples
FRAME_OFFSET = 991 / 2 / SAMPLE_RATE  # the middle of the first frame's receptive field
CHUNK_FRAMES = 589
_SPEAKER_SETS = torch.tensor(
    [[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=torch.bool
)
_LOWEST_CUTOFF, _LEAST_BANDWIDTH = 50.0, 50.0  # Hz


@torch.inference_mode()
def find_active_speakers(samples: Tensor) -> Tensor:
    """Find the active ones of three local speakers in each frame of a chunk.

    Shape: samples [160000] float at 16 kHz -> [589, 3] bool; a frame is 16.9 ms.
    """
    classes: Tensor = _load_network()(samples[None, None])[0].argmax(-1)
    return _SPEAKER_SETS[classes]


@cache
def _load_network() -> _SegmentationNetwork:
    """Load the network once per process."""
    network = _SegmentationNetwork()
    load_speaker_weights(network, "segmentation.safetensors")
    return network


class _SegmentationNetwork(nn.Module):
    """SincNet filters, four bidirectional LSTM layers, and seven classes (speaker sets)."""

    def __init__(self) -> None:
        super().__init__()
        self.sincnet = _SincNet()
        self.lstm = nn.LSTM(60, 128, num_layers=4, bidirectional=True, batch_first=True)
        self.linear = nn.ModuleList([nn.Linear(256, 128), nn.Linear(128, 128)])
        self.classifier = nn.Linear(128, len(_SPEAKER_SETS))

    def forward(self, samples: Tensor) -> Tensor:
        """Score the speaker sets. Shape: [B, 1, T] -> [B, F, 7] log-probabilities."""
        states, _ = self.lstm(self.sincnet(samples).transpose(1, 2))
        for layer in self.linear:
            states = functional.leaky_relu(layer(states))
        scores: Tensor = self.classifier(states)
        return scores.log_softmax(-1)


class _SincNet(nn.Module):
    """Learnt band-pass filters, then two convolutions (Ravanelli and Bengio 2018)."""

    def __init__(self) -> None:
        super().__init__()
        self.wav_norm1d = nn.InstanceNorm1d(1, affine=True)
        self.conv1d = nn.ModuleList([_SincFilters(), nn.Conv1d(80, 60, 5), nn.Conv1d(60, 60, 5)])
        self.norm1d = nn.ModuleList([nn.InstanceNorm1d(n, affine=True) for n in (80, 60, 60)])

    def forward(self, samples: Tensor) -> Tensor:
        """Shape: [B, 1, T] -> [B, 60, F]."""
        states: Tensor = self.wav_norm1d(samples)
        for number, (convolution, norm) in enumerate(zip(self.conv1d, self.norm1d, strict=True)):
            states = convolution(states)
            states = states.abs() if number == 0 else states
            states = functional.leaky_relu(norm(functional.max_pool1d(states, 3, 3)))
        return states


class _SincFilters(nn.Module):
    """40 band-pass filters as cosines and 40 as sines, 251 samples long, stride 10."""

    def __init__(self) -> None:
        super().__init__()
        self.low_hz_ = nn.Parameter(torch.zeros(40, 1))
        self.band_hz_ = nn.Parameter(torch.zeros(40, 1))
        self.register_buffer("window_", torch.zeros(125))
        self.register_buffer("n_", torch.zeros(1, 125))

    def forward(self, samples: Tensor) -> Tensor:
        """Shape: [B, 1, T] -> [B, 80, T']."""
        return functional.conv1d(samples, self.filters(), stride=10)

    def filters(self) -> Tensor:
        """Build the filters from their cut-off frequencies. Shape: -> [80, 1, 251]."""
        low = _LOWEST_CUTOFF + self.low_hz_.abs()
        high = (low + _LEAST_BANDWIDTH + self.band_hz_.abs()).clamp(max=SAMPLE_RATE / 2)
        width, times, window = high - low, self.get_buffer("n_"), self.get_buffer("window_")
        even = ((high @ times).sin() - (low @ times).sin()) / (times / 2) * window
        odd = ((low @ times).cos() - (high @ times).cos()) / (times / 2) * window
        cosines = torch.cat([even, 2 * width, even.flip(1)], dim=1)
        sines = torch.cat([odd, torch.zeros_like(width), -odd.flip(1)], dim=1)
        return torch.cat([cosines / (2 * width), sines / (2 * width)]).unsqueeze(1)
