"""Voice vectors from CAM++ (Wang et al. 2023), a densely connected time-delay network."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from functools import cache, reduce

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmerc.media.speakers.weights import load_speaker_weights

_VOICE_WIDTH = 192
_GROWTH, _BOTTLENECK, _SEGMENT = 32, 128, 100
_BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation
_FRAME_STEP = 50  # frames; inputs are padded to multiples of it


def encode_voice(filterbank: Tensor) -> Tensor:
    """Encode the voice in frames of one speaker.

    Shape: [T, 80] log-mel energies, 10 ms per frame -> [192], of length 1.
    """
    return encode_voices([filterbank])[0]


@torch.inference_mode()
def encode_voices(filterbanks: Sequence[Tensor]) -> Tensor:
    """Encode the voices of several passages of the same length.

    Shape: n of [T, 80] -> [n, 192], each of length 1.
    """
    passages = torch.stack([filterbank - filterbank.mean(0) for filterbank in filterbanks])
    vectors: Tensor = _load_network()(passages)
    normed: Tensor = vectors / vectors.norm(dim=1, keepdim=True)
    return normed


@cache
def _load_network() -> _VoiceEncoder:
    """Load the network once per process."""
    network = _VoiceEncoder()
    load_speaker_weights(network, "voice_encoder.safetensors")
    return network


class _VoiceEncoder(nn.Module):
    """CAM++: convolutional front, three dense blocks with context masks, statistics pooling."""

    def __init__(self) -> None:
        super().__init__()
        self.head = _Front()
        layers: OrderedDict[str, nn.Module] = OrderedDict(tdnn=_TimeDelay())
        width = 128
        for number, (depth, dilation) in enumerate(_BLOCKS, start=1):
            layers[f"block{number}"] = nn.Sequential(
                OrderedDict(
                    (f"tdnnd{layer + 1}", _DenseLayer(width + _GROWTH * layer, dilation))
                    for layer in range(depth)
                )
            )
            width += _GROWTH * depth
            layers[f"transit{number}"] = _Transition(width)
            width //= 2
        layers["out_nonlinear"] = _normalised_relu(width)
        self.xvector = nn.Sequential(layers)
        self.xvector.add_module("dense", _Projection(2 * width))

    def forward(self, filterbank: Tensor) -> Tensor:
        """Shape: [B, T, 80] -> [B, 192]."""
        states: Tensor = self.head(filterbank.transpose(1, 2))
        *layers, projection = self.xvector
        for layer in layers:
            states = layer(states)
        pooled = torch.cat([states.mean(-1), states.std(-1)], dim=-1)
        vectors: Tensor = projection(pooled)
        return vectors


def _normalised_relu(width: int) -> nn.Sequential:
    """Batch normalisation and ReLU."""
    return nn.Sequential(OrderedDict(batchnorm=nn.BatchNorm1d(width), relu=nn.ReLU()))


class _TimeConvolution(nn.Conv1d):
    """A length-preserving convolution, computed as matrix products.

    oneDNN compiles a kernel per convolution and length, which made a process grow by about 4 MB per
    passage (benchmarks/bench_live.py memory).
    """

    def forward(self, states: Tensor) -> Tensor:
        """Shape: [B, inputs, T] -> [B, outputs, T]."""
        length, padding, dilation = states.shape[-1], int(self.padding[0]), self.dilation[0]
        padded = functional.pad(states, (padding, padding))
        parts = (
            weight @ padded[..., tap * dilation : tap * dilation + length]
            for tap, weight in enumerate(self.weight.unbind(-1))
        )
        product = reduce(torch.add, parts)
        return product if self.bias is None else product + self.bias[:, None]


class _Front(nn.Module):
    """Two-dimensional convolutions that reduce 80 bands to 10 of 32 channels.

    Passages are padded to a few lengths for the same reason as in ``_TimeConvolution``.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 32, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.layer1 = nn.Sequential(_Residual(stride=2), _Residual(stride=1))
        self.layer2 = nn.Sequential(_Residual(stride=2), _Residual(stride=1))
        self.conv2 = nn.Conv2d(32, 32, 3, stride=(2, 1), padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)

    def forward(self, bands: Tensor) -> Tensor:
        """Shape: [B, 80, T] -> [B, 320, T]."""
        length = bands.shape[-1]
        padded = functional.pad(bands.unsqueeze(1), (0, -length % _FRAME_STEP))
        states = _end_at(functional.relu(self.bn1(self.conv1(padded))), length)
        for residual in (*self.layer1, *self.layer2):
            states = residual(states, length)
        states = functional.relu(self.bn2(self.conv2(states)))
        return states[..., :length].flatten(1, 2)


def _end_at(states: Tensor, length: int) -> Tensor:
    """Zero the padding, as beyond the end of an input. Shape: [..., T] -> the same."""
    states[..., length:] = 0.0
    return states


class _Residual(nn.Module):
    """A residual block over bands and time; ``stride`` applies to the bands."""

    def __init__(self, *, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(32, 32, 3, stride=(stride, 1), padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(32)
        self.conv2 = nn.Conv2d(32, 32, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(32)
        self.shortcut = nn.Sequential()
        if stride > 1:
            reduction = nn.Conv2d(32, 32, 1, stride=(stride, 1), bias=False)
            self.shortcut = nn.Sequential(reduction, nn.BatchNorm2d(32))

    def forward(self, states: Tensor, length: int) -> Tensor:
        """Shape: [B, 32, F, T] with ``length`` valid frames -> [B, 32, F / stride, T]."""
        inner = _end_at(functional.relu(self.bn1(self.conv1(states))), length)
        outputs = functional.relu(self.bn2(self.conv2(inner)) + self.shortcut(states))
        return _end_at(outputs, length)


class _TimeDelay(nn.Module):
    """The first time-delay layer, which halves the frame rate; padded like ``_Front``."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Conv1d(320, 128, 5, stride=2, padding=2, bias=False)
        self.nonlinear = _normalised_relu(128)

    def forward(self, states: Tensor) -> Tensor:
        """Shape: [B, 320, T] -> [B, 128, T / 2]."""
        length = states.shape[-1]
        padded = functional.pad(states, (0, -length % _FRAME_STEP))
        outputs: Tensor = self.nonlinear(self.linear(padded)[..., : -(-length // 2)])
        return outputs


class _DenseLayer(nn.Module):
    """A bottleneck and a context-masked convolution whose output is appended to the input."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.nonlinear1 = _normalised_relu(width)
        self.linear1 = _TimeConvolution(width, _BOTTLENECK, 1, bias=False)
        self.nonlinear2 = _normalised_relu(_BOTTLENECK)
        self.cam_layer = _ContextMasking(dilation)

    def forward(self, states: Tensor) -> Tensor:
        """Shape: [B, D, T] -> [B, D + 32, T]."""
        inner = self.nonlinear2(self.linear1(self.nonlinear1(states)))
        return torch.cat([states, self.cam_layer(inner)], dim=1)


class _ContextMasking(nn.Module):
    """A convolution with a mask from global and per-second means (CAM++, Eqs. 2 to 4)."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.linear_local = _TimeConvolution(
            _BOTTLENECK, _GROWTH, 3, padding=dilation, dilation=dilation, bias=False
        )
        self.linear1 = _TimeConvolution(_BOTTLENECK, _BOTTLENECK // 2, 1)
        self.linear2 = _TimeConvolution(_BOTTLENECK // 2, _GROWTH, 1)

    def forward(self, states: Tensor) -> Tensor:
        """Shape: [B, 128, T] -> [B, 32, T]."""
        segments = functional.avg_pool1d(states, _SEGMENT, _SEGMENT, ceil_mode=True)
        spread = segments.repeat_interleave(_SEGMENT, dim=-1)[..., : states.shape[-1]]
        context = functional.relu(self.linear1(states.mean(-1, keepdim=True) + spread))
        masked: Tensor = self.linear_local(states) * self.linear2(context).sigmoid()
        return masked


class _Transition(nn.Module):
    """Halve the width between two dense blocks."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.nonlinear = _normalised_relu(width)
        self.linear = _TimeConvolution(width, width // 2, 1, bias=False)

    def forward(self, states: Tensor) -> Tensor:
        """Shape: [B, D, T] -> [B, D / 2, T]."""
        outputs: Tensor = self.linear(self.nonlinear(states))
        return outputs


class _Projection(nn.Module):
    """Project pooled statistics to the voice vector."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv1d(width, _VOICE_WIDTH, 1, bias=False)
        norm = nn.BatchNorm1d(_VOICE_WIDTH, affine=False)
        self.nonlinear = nn.Sequential(OrderedDict(batchnorm=norm))

    def forward(self, statistics: Tensor) -> Tensor:
        """Shape: [B, D] -> [B, 192]."""
        outputs: Tensor = self.nonlinear(self.linear(statistics.unsqueeze(-1)).squeeze(-1))
        return outputs
