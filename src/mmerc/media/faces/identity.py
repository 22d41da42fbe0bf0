"""Face identity: a vector that is similar for all pictures of a person.

The network is dlib's residual network with 29 convolutions (King 2017).
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from mmerc.errors import InputError
from mmerc.files import file_fingerprint
from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import Frame

IDENTITY_WIDTH = 128
_SIZE = 150
_SHA256 = "dfbcdd9492a2d030e915610c46612c02000aef79e810954d248098542bb374d3"
_MEANS = torch.tensor([122.782, 117.001, 104.298])
_BLOCKS = (  # name, input channels, output channels; wider and "down" blocks halve the picture
    ("conv32_1", 32, 32), ("conv32_2", 32, 32), ("conv32_3", 32, 32), ("conv64_down", 32, 64),
    ("conv64_1", 64, 64), ("conv64_2", 64, 64), ("conv64_3", 64, 64), ("conv128_down", 64, 128),
    ("conv128_1", 128, 128), ("conv128_2", 128, 128), ("conv256_down", 128, 256),
    ("conv256_1", 256, 256), ("conv256_2", 256, 256), ("conv256_down_out", 256, 256),
)  # fmt: skip
# Eyes, nose and corners of the mouth as shares of the crop, as in the network's training pictures:
# dlib's mean shape with a margin of a quarter.
_TEMPLATE = np.array([[0.317, 0.311], [0.67, 0.311], [0.494, 0.53], [0.336, 0.687], [0.651, 0.687]])


def encode_faces(
    frames: Sequence[Frame], landmarks: Sequence[NDArray[np.floating]]
) -> NDArray[np.float32]:
    """Encode the face in each frame at the given landmarks.

    Shape: frames each [H, W, 3] uint8, landmarks each [5, 2] -> [n, 128]. The Euclidean distance is
    usually below 0.6 for one person, and larger for two people.
    """
    crops = [
        align_face(frame, points, size=_SIZE, grey=False, template=_TEMPLATE)
        for frame, points in zip(frames, landmarks, strict=True)
    ]
    return encode_crops(np.stack(crops))


@torch.inference_mode()
def encode_crops(crops: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shape: [n, 150, 150, 3] uint8 -> [n, 128]."""
    pixels = (torch.from_numpy(crops).float() - _MEANS) / 256
    array: NDArray[np.float32] = _load_network()(pixels.permute(0, 3, 1, 2)).numpy()
    return array


@cache
def _load_network() -> _FaceEncoder:
    """Load the network once per process; InputError if its file is missing or differs."""
    path = Path(__file__).with_name("identity.safetensors")
    try:
        if file_fingerprint(path) != _SHA256:
            raise InputError(path, "not the file that mmerc was released with", "reinstall mmerc")
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError(path, "cannot be read", "reinstall mmerc") from error
    network = _FaceEncoder()
    network.load_state_dict({name: _restore(name, stored) for name in network.state_dict()})
    return network.eval()


def _restore(name: str, stored: dict[str, Tensor]) -> Tensor:
    """Restore a tensor stored in 8 bits; other tensors are unchanged."""
    tensor = stored[name]
    if tensor.dtype != torch.uint8:
        return tensor
    scale, least = stored[f"{name}.range"]
    restored: Tensor = tensor.float() * scale + least
    return restored


class _FaceEncoder(nn.Module):
    """29 convolutions in residual blocks, global average pooling, and a projection."""

    def __init__(self) -> None:
        super().__init__()
        self.conv32_down = _ScaledConvolution(3, 32, kernel=7, stride=2)
        self.blocks = nn.ModuleDict({name: _Residual(a, b) for name, a, b in _BLOCKS})
        self.fc = nn.Linear(256, IDENTITY_WIDTH, bias=False)

    def forward(self, pictures: Tensor) -> Tensor:
        """Shape: [n, 3, 150, 150] -> [n, 128]."""
        states = functional.relu(self.conv32_down(pictures))
        states = functional.max_pool2d(states, 3, 2)
        for name, block in self.blocks.items():
            states = block(states, halve="down" in name)
        vectors: Tensor = self.fc(states.mean((2, 3)))
        return vectors


class _ScaledConvolution(nn.Module):
    """A convolution followed by scale and shift per channel."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride=stride)
        self.scale = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))

    def forward(self, states: Tensor, *, stride: int = 1, padding: int = 0) -> Tensor:
        """Shape: [n, C, H, W] -> [n, D, H', W']."""
        states = functional.conv2d(
            states, self.conv.weight, self.conv.bias,
            stride=max(stride, self.conv.stride[0]), padding=padding,
        )  # fmt: skip
        scaled: Tensor = states * self.scale[:, None, None] + self.shift[:, None, None]
        return scaled


class _Residual(nn.Module):
    """Two convolutions plus the identity, or plus 2 x 2 average pooling if ``halve``."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = _ScaledConvolution(inputs, outputs)
        self.conv2 = _ScaledConvolution(outputs, outputs)

    def forward(self, states: Tensor, *, halve: bool) -> Tensor:
        """Shape: [n, C, H, W] -> [n, D, H, W], or half of each side."""
        stride, padding = (2, 0) if halve else (1, 1)
        inner = functional.relu(self.conv1(states, stride=stride, padding=padding))
        inner = self.conv2(inner, padding=1)
        if halve:
            states = functional.avg_pool2d(states, 2)
            missing = states.shape[2] - inner.shape[2], states.shape[3] - inner.shape[3]
            inner = functional.pad(inner, (0, missing[1], 0, missing[0]))
            states = functional.pad(states, (0, 0, 0, 0, 0, inner.shape[1] - states.shape[1]))
        outputs: Tensor = functional.relu(states + inner)
        return outputs
