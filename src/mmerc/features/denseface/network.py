"""The network for face vectors: DenseNet-BC on greyscale faces of 48 x 48 pixels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

SIDE, _CLASSES = 48, 7
_STEM, _GROWTH, _BOTTLENECK, _COMPRESSION = 24, 12, 48, 0.5
_LAYERS = (16, 16, 16)
WIDTH = 342
MEAN, _DEVIATION = 0.5135, 0.3067  # of FER2013's usable training faces


class FaceOutput(NamedTuple):
    """``vectors`` [B, 342] before the classifier, ``logits`` [B, 7]."""

    vectors: Tensor
    logits: Tensor


class _DenseLayer(nn.Module):
    """Batch norm, ReLU, 1x1 convolution to 48, then the same with 3x3 to 12; concatenated."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm1 = nn.BatchNorm2d(channels)
        self.reduce = nn.Conv2d(channels, _BOTTLENECK, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(_BOTTLENECK)
        self.grow = nn.Conv2d(_BOTTLENECK, _GROWTH, 3, padding=1, bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Shape: [B, C, H, W] -> [B, C + 12, H, W]."""
        reduced = self.reduce(F.relu_(self.norm1(maps)))
        grown = self.grow(F.relu_(self.norm2(reduced)))
        return torch.cat([maps, grown], dim=1)


class _Transition(nn.Sequential):
    """Halve the channels with a 1x1 convolution, and the maps by average pooling.

    Shape: [B, C, H, W] -> [B, C // 2, H // 2, W // 2].
    """

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, int(channels * _COMPRESSION), 1, bias=False),
            nn.AvgPool2d(2),
        )


class DenseNet(nn.Module):
    """DenseNet-BC, depth 100, growth 12, compression 0.5 (Huang et al., CVPR 2017, Sec. 3).

    Three blocks of 16 bottleneck layers: 24 + 16 * 12 = 216 channels, halved; 108 + 192 = 300,
    halved; 150 + 192 = 342. The stem has a stride of 2, because faces are 48 pixels wide (the
    paper's images: 32); at half the side the network costs a quarter.
    """

    def __init__(self) -> None:
        super().__init__()
        parts: list[nn.Module] = [nn.Conv2d(1, _STEM, 3, stride=2, padding=1, bias=False)]
        channels = _STEM
        for number, layers in enumerate(_LAYERS):
            if number:
                parts.append(_Transition(channels))
                channels = int(channels * _COMPRESSION)
            for _ in range(layers):
                parts.append(_DenseLayer(channels))
                channels += _GROWTH
        self.maps = nn.Sequential(*parts, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))
        self.classifier = nn.Linear(channels, _CLASSES)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)

    def first_blocks(self, count: int) -> nn.Sequential:
        """Return the first ``count`` dense blocks, including stem and transitions."""
        last = sum(1 + layers for layers in _LAYERS[:count])
        return nn.Sequential(*list(self.maps)[:last])

    def forward(self, images: Tensor) -> FaceOutput:
        """Shape: images [B, 1, H, W], normalised -> vectors [B, 342], logits [B, 7]; float32."""
        vectors = self.maps(images).float().mean(dim=(2, 3))
        return FaceOutput(vectors, self.classifier(vectors).float())


def normalise(images: Tensor) -> Tensor:
    """Normalise grey values for the network.

    Shape: uint8 [B, 1, 48, 48] -> float32 of the same shape.
    """
    return (images.float() / 255 - MEAN) / _DEVIATION
