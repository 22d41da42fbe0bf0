"""Degradation of face images: downsampling, blur, compression, warping and lighting.

Every function changes each image of a batch by its own amount, on the batch's device.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

_BLOCK = 8
_NO_BLUR = 0.05  # pixels; so narrow that neighbouring pixels get no weight
# ITU-T T.81, Table K.1: quantisation steps of luminance at quality 50.
_STEPS = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


def reduce_detail(images: Tensor, *, pixels: Tensor, blur: Tensor) -> Tensor:
    """Blur images, then downsample them to a number of pixels and upsample again.

    ``pixels`` is the side of the smaller image, from 1 to the side of ``images`` (no change).
    ``blur`` is the Gaussian's sigma in pixels along columns and rows; 0: no blur.

    Shape: images [B, 1, S, S], pixels [B] integers, blur [B, 2] -> [B, 1, S, S].
    """
    side = images.shape[-1]
    scaling = _rescaling_matrices(side).to(images.device)[pixels - 1]
    down, across = (scaling @ _blur_matrices(blur[:, axis], side) for axis in (0, 1))
    return (down @ images[:, 0] @ across.mT)[:, None]


@cache
def _rescaling_matrices(side: int) -> Tensor:
    """Build matrices that resample a line of ``side`` pixels to 1, 2, ... ``side`` and back.

    Shape: -> [side, side, side].
    """
    lines = torch.eye(side)[None, None]
    matrices = []
    for pixels in range(1, side + 1):
        small = F.interpolate(lines, size=(pixels, side), mode="bilinear", antialias=True)
        matrices.append(F.interpolate(small, size=(side, side), mode="bilinear")[0, 0])
    return torch.stack(matrices)


def _blur_matrices(deviation: Tensor, side: int) -> Tensor:
    """Build Gaussian blur matrices; all rows sum to 1. Shape: [B] -> [B, side, side]."""
    places = torch.arange(side, device=deviation.device)
    distance = (places[:, None] - places).float()
    scaled = distance / deviation.clamp(min=_NO_BLUR).view(-1, 1, 1)
    return torch.softmax(-0.5 * scaled.square(), dim=2)


def compress(images: Tensor, *, quality: Tensor) -> Tensor:
    """Quantise images like greyscale baseline JPEG (ITU-T T.81), without entropy coding.

    Shape: images [B, 1, H, W] from 0 to 255, sides multiples of 8; quality [B] from 1 to 100 ->
    [B, 1, H, W].
    """
    count, _, height, width = images.shape
    transform = _cosine_transform().to(images.device)
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality)
    base = torch.tensor(_STEPS, device=images.device)
    steps = ((base * scale.view(-1, 1, 1) + 50) / 100).floor().clamp(1, 255)[:, None, None]
    blocks = images.reshape(count, height // _BLOCK, _BLOCK, width // _BLOCK, _BLOCK)
    blocks = blocks.transpose(2, 3) - 128
    levels = (transform @ blocks @ transform.T / steps).round() * steps
    pixels = (transform.T @ levels @ transform + 128).round().clamp(0, 255)
    return pixels.transpose(2, 3).reshape(images.shape)


@cache
def _cosine_transform() -> Tensor:
    """Return the orthonormal discrete cosine transform of 8 values. Shape: -> [8, 8]."""
    places = torch.arange(_BLOCK)
    waves = torch.cos(math.pi / _BLOCK * (places + 0.5) * places[:, None]) * math.sqrt(2 / _BLOCK)
    waves[0] /= math.sqrt(2)
    return waves


def warp(images: Tensor, matrices: Tensor) -> Tensor:
    """Resample images with homographies; edge pixels are repeated.

    Shape: images [B, 1, H, W]; matrices [B, 3, 3], from output to input coordinates (-1 to 1)
    -> [B, 1, H, W].
    """
    identity = torch.eye(2, 3, device=images.device)[None]
    places = F.affine_grid(identity, [1, *images.shape[1:]], align_corners=False)
    ones = torch.ones_like(places[..., :1])
    projected = torch.cat([places, ones], dim=-1).flatten(1, 2) @ matrices.mT
    grid = projected[..., :2] / projected[..., 2:]
    grid = grid.view(-1, *images.shape[2:], 2)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def turned_sideways(angle: Tensor, *, distance: float = 4.0) -> Tensor:
    """Build homographies of a flat face turned about the vertical axis by ``angle`` (radians).

    The camera distance is in half sides.

    Shape: angle [B] -> [B, 3, 3], from output to input coordinates.
    """
    matrices = torch.eye(3, device=angle.device).repeat(len(angle), 1, 1)
    matrices[:, 1, 1] = matrices[:, 2, 2] = angle.cos()
    matrices[:, 2, 0] = -angle.sin() / distance
    return matrices


def relight(
    images: Tensor, *, contrast: Tensor, brightness: Tensor, gamma: Tensor, slope: Tensor
) -> Tensor:
    """Change gamma, contrast around each image's mean, and brightness.

    ``brightness`` is added (1: black to white); ``slope`` brightens one side and darkens the other
    by the same amount, like a lamp on that side.

    Shape: images [B, 1, H, W] from 0 to 255, all others [B] -> [B, 1, H, W].
    """
    contrast, brightness, gamma, slope = (
        value.view(-1, 1, 1, 1) for value in (contrast, brightness, gamma, slope)
    )
    if bool((gamma != 1).any()):
        images = 255 * (images / 255).clamp(0, 1) ** gamma
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    across = torch.linspace(-1, 1, images.shape[-1], device=images.device)
    relit = (images - mean) * contrast + mean + 255 * (brightness + slope * across)
    return relit.clamp(0, 255)
