"""Augmentation of faces: moved, rotated, mirrored, lit differently, partly hidden."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F  # noqa: N812
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from mmerc.features.denseface.network import MEAN

_SQUAREST, _LONGEST = (
    math.log(0.3),
    math.log(1 / 0.3),
)  # of hidden rectangles, as log(height / width)


class Augmentation(BaseModel):
    """Limits of the changes, each drawn uniformly up to its limit for every image."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: float = Field(default=0.5, ge=0, le=1, description="share that is mirrored")
    shift: float = Field(default=0.1, ge=0, lt=1, description="either way, as a share of the side")
    rotation: float = Field(default=10.0, ge=0, le=180, description="either way, in degrees")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="factor 1 +- zoom")
    brightness: float = Field(default=0.2, ge=0, le=1, description="either way; 1: black to white")
    contrast: float = Field(default=0.2, ge=0, lt=1, description="factor 1 +- contrast")
    erasing: float = Field(default=0.25, ge=0, le=1, description="share that is partly hidden")
    erased_area: float = Field(default=0.2, ge=0, le=1, description="largest share of the image")


def augment(images: Tensor, settings: Augmentation, *, generator: Generator) -> Tensor:
    """Change every image of a batch separately, on its device.

    Shape: uint8 [B, 1, H, W] -> float32 of the same shape, 0 to 255.
    """
    moved = _move(images.float(), settings, generator)
    return _hide(_relight(moved, settings, generator), settings, generator)


def _uniform(like: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """Draw one number per image; -> [B]."""
    drawn = torch.rand(len(like), generator=generator, device=like.device)
    return low + (high - low) * drawn


def _move(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Mirror, rotate, scale and shift in one resampling; edge pixels are repeated outwards."""

    def within(limit: float) -> Tensor:
        return _uniform(images, generator, -limit, limit)

    angle, zoom = within(math.radians(settings.rotation)), 1 + within(settings.zoom)
    mirror = torch.where(_uniform(images, generator, 0, 1) < settings.flip, -1.0, 1.0)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    across, down = 2 * within(settings.shift), 2 * within(settings.shift)  # the side spans -1 to 1
    matrices = torch.stack(
        [
            torch.stack([mirror * cosine, -sine, across], dim=1),
            torch.stack([mirror * sine, cosine, down], dim=1),
        ],
        dim=1,
    )
    grid = F.affine_grid(matrices, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _relight(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Change contrast around each image's mean, then brightness."""
    contrast = 1 + _uniform(images, generator, -settings.contrast, settings.contrast)
    brightness = 255 * _uniform(images, generator, -settings.brightness, settings.brightness)
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    lit = (images - mean) * contrast.view(-1, 1, 1, 1) + mean + brightness.view(-1, 1, 1, 1)
    return lit.clamp(0, 255)


def _hide(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Cover a rectangle of some images with the grey that says nothing (Zhong et al. 2020)."""
    area = _uniform(images, generator, 0, settings.erased_area)
    shape = _uniform(images, generator, _SQUAREST, _LONGEST).exp()
    hidden = _uniform(images, generator, 0, 1) < settings.erasing
    rows = span((area * shape).sqrt(), images.shape[2], images, generator)
    columns = span((area / shape).sqrt(), images.shape[3], images, generator)
    covered = hidden.view(-1, 1, 1) & rows[:, :, None] & columns[:, None, :]
    return torch.where(covered[:, None], 255 * MEAN, images)


def span(share: Tensor, side: int, images: Tensor, generator: Generator) -> Tensor:
    """Positions that a stretch somewhere on a side covers; share [B] -> [B, side] bool."""
    length = share.clamp(max=1)
    start = _uniform(images, generator, 0, 1) * (1 - length)
    middles = (torch.arange(side, device=images.device) + 0.5) / side
    return (middles >= start[:, None]) & (middles < (start + length)[:, None])
