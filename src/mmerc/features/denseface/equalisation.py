"""Histogram equalisation, which FER2013's pictures have gone through and films have not."""

from __future__ import annotations

import torch
from torch import Tensor

_LEVELS = 256


def equalise(images: Tensor) -> Tensor:
    """Spread the grey levels of each image evenly over 0 to 255.

    A level becomes the share of pixels up to it, where the darkest level does not count: it stays
    0, so black beside a frame's edge changes nothing. Brightness, contrast and gamma of a picture
    no longer matter. An image of one level is unchanged.

    Shape: images [B, 1, H, W] of 0 to 255, rounded -> float32 of the same shape, whole numbers.
    """
    levels = images.round().long().flatten(1)
    rows = torch.arange(len(levels), device=levels.device)[:, None] * _LEVELS
    counts = (levels + rows).flatten().bincount(minlength=len(levels) * _LEVELS)
    below = counts.view(-1, _LEVELS).cumsum(dim=1)
    darkest = below.gather(1, levels.amin(dim=1, keepdim=True))
    others = below[:, -1:] - darkest
    spread = (255 * (below - darkest) / others.clamp(min=1)).round()
    table = torch.where(others > 0, spread, torch.arange(_LEVELS, device=levels.device))
    return table.gather(1, levels).view(images.shape)
