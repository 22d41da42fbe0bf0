"""Augmentation of faces: geometry, lighting, erasing and degradation."""

from __future__ import annotations

import math
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Generator, Tensor

from mmerc.features.denseface.network import MEAN, SIDE
from mmerc.training.face_network.degradation import (
    compress,
    reduce_detail,
    relight,
    turned_sideways,
    warp,
)

_SQUAREST, _LONGEST = (
    math.log(0.3),
    math.log(1 / 0.3),
)  # shapes of erased rectangles, as log(height / width)
_BEST_QUALITY = 90


class Augmentation(BaseModel):
    """Limits of the changes; each change is drawn uniformly up to its limit for every image.

    The last group degrades faces the way films do. Each of its changes applies to its own share
    of the images; a share ``untouched`` gets none of them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flip: float = Field(default=0.5, ge=0, le=1, description="share of mirrored images")
    shift: float = Field(default=0.1, ge=0, lt=1, description="as a share of the side")
    rotation: float = Field(default=10.0, ge=0, le=180, description="in degrees")
    zoom: float = Field(default=0.1, ge=0, lt=1, description="factor 1 +- zoom")
    brightness: float = Field(default=0.2, ge=0, le=1, description="1: black to white")
    contrast: float = Field(default=0.2, ge=0, lt=1, description="factor 1 +- contrast")
    erasing: float = Field(default=0.25, ge=0, le=1, description="share of partly erased images")
    erased_area: float = Field(default=0.2, ge=0, le=1, description="largest share of the image")
    erased_grey: Literal["mean", "random"] = Field(default="mean", description="fill value")

    untouched: float = Field(default=0.0, ge=0, le=1, description="share without the changes below")
    yaw: float = Field(default=0.0, ge=0, lt=80, description="in degrees")
    gamma: float = Field(default=0.0, ge=0, lt=1, description="logarithm of gamma")
    side_light: float = Field(default=0.0, ge=0, le=1, description="1: black to white")
    small: float = Field(default=0.0, ge=0, le=1, description="share of downsampled images")
    fewest_pixels: int = Field(default=12, ge=4, le=SIDE, description="side of the smallest face")
    blurred: float = Field(default=0.0, ge=0, le=1, description="share of blurred images")
    blur: float = Field(default=2.5, ge=0, description="largest sigma, in pixels")
    noise: float = Field(default=0.0, ge=0, le=1, description="sigma; 1: black to white")
    compressed: float = Field(default=0.0, ge=0, le=1, description="share of JPEG images")
    lowest_quality: int = Field(default=10, ge=1, le=90, description="JPEG quality, up to 90")


def augment(images: Tensor, settings: Augmentation, *, generator: Generator) -> Tensor:
    """Change every image of a batch separately, on its device.

    Shape: uint8 [B, 1, H, W] -> float32 of the same shape, 0 to 255.
    """
    touched = (_uniform(images, generator, 0, 1) >= settings.untouched).float()
    moved = _move(images.float(), settings, generator, touched)
    relit = _relight(moved, settings, generator, touched)
    return _degrade(_hide(relit, settings, generator), settings, generator, touched)


def _uniform(like: Tensor, generator: Generator, low: float, high: float) -> Tensor:
    """Draw one number per image. Shape: -> [B]."""
    drawn = torch.rand(len(like), generator=generator, device=like.device)
    return low + (high - low) * drawn


def _move(images: Tensor, settings: Augmentation, generator: Generator, touched: Tensor) -> Tensor:
    """Mirror, rotate, scale, shift and turn in one resampling; edge pixels are repeated.

    ``touched`` [B] is 0 for images that must not turn sideways, otherwise 1.
    """

    def within(limit: float) -> Tensor:
        return _uniform(images, generator, -limit, limit)

    angle, zoom = within(math.radians(settings.rotation)), 1 + within(settings.zoom)
    mirror = torch.where(_uniform(images, generator, 0, 1) < settings.flip, -1.0, 1.0)
    cosine, sine = zoom * angle.cos(), zoom * angle.sin()
    across, down = 2 * within(settings.shift), 2 * within(settings.shift)  # the side spans -1 to 1
    zero, one = torch.zeros_like(zoom), torch.ones_like(zoom)
    rows = [
        torch.stack([mirror * cosine, -sine, across], dim=1),
        torch.stack([mirror * sine, cosine, down], dim=1),
        torch.stack([zero, zero, one], dim=1),
    ]
    sideways = turned_sideways(touched * within(math.radians(settings.yaw)))
    return warp(images, torch.stack(rows, dim=1) @ sideways)


def _relight(
    images: Tensor, settings: Augmentation, generator: Generator, touched: Tensor
) -> Tensor:
    """Change gamma and contrast, then brightness, with light from one side."""

    def within(limit: float) -> Tensor:
        return _uniform(images, generator, -limit, limit)

    return relight(
        images,
        contrast=1 + within(settings.contrast),
        brightness=within(settings.brightness),
        gamma=(touched * within(settings.gamma)).exp(),
        slope=touched * within(settings.side_light),
    )


def _degrade(
    images: Tensor, settings: Augmentation, generator: Generator, touched: Tensor
) -> Tensor:
    """Blur, downsample and compress some of the images, and add noise."""

    def chosen(share: float) -> Tensor:
        return (_uniform(images, generator, 0, 1) < share) & (touched > 0)

    def up_to(limit: float) -> Tensor:
        return _uniform(images, generator, 0, limit)

    if settings.small or settings.blurred:
        side = images.shape[-1]
        pixels = _uniform(images, generator, settings.fewest_pixels, side).long()
        pixels = torch.where(chosen(settings.small), pixels, side)
        blur = torch.stack([up_to(settings.blur), up_to(settings.blur)], dim=1)
        blur = blur * chosen(settings.blurred)[:, None]
        images = reduce_detail(images, pixels=pixels, blur=blur)
    if settings.noise:
        deviation = 255 * touched * up_to(settings.noise)
        drawn = torch.randn(images.shape, generator=generator, device=images.device)
        images = (images + deviation.view(-1, 1, 1, 1) * drawn).clamp(0, 255)
    if settings.compressed:
        quality = _uniform(images, generator, settings.lowest_quality, _BEST_QUALITY)
        some = chosen(settings.compressed)
        images = torch.where(some.view(-1, 1, 1, 1), compress(images, quality=quality), images)
    return images


def _hide(images: Tensor, settings: Augmentation, generator: Generator) -> Tensor:
    """Erase a rectangle of some images with one grey value (Zhong et al. 2020)."""
    area = _uniform(images, generator, 0, settings.erased_area)
    shape = _uniform(images, generator, _SQUAREST, _LONGEST).exp()
    hidden = _uniform(images, generator, 0, 1) < settings.erasing
    rows = span((area * shape).sqrt(), images.shape[2], images, generator)
    columns = span((area / shape).sqrt(), images.shape[3], images, generator)
    covered = hidden.view(-1, 1, 1) & rows[:, :, None] & columns[:, None, :]
    grey = torch.full_like(area, 255 * MEAN)
    if settings.erased_grey == "random":
        grey = _uniform(images, generator, 0, 255)
    return torch.where(covered[:, None], grey.view(-1, 1, 1, 1), images)


def span(share: Tensor, side: int, images: Tensor, generator: Generator) -> Tensor:
    """Draw a random segment of a side as a mask. Shape: share [B] -> [B, side] bool."""
    length = share.clamp(max=1)
    start = _uniform(images, generator, 0, 1) * (1 - length)
    middles = (torch.arange(side, device=images.device) + 0.5) / side
    return (middles >= start[:, None]) & (middles < (start + length)[:, None])
