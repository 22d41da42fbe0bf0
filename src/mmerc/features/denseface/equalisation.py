"""Histogram equalisation, which FER2013's pictures already have and films do not."""

from __future__ import annotations

import torch
from torch import Tensor

_LEVELS = 256


def equalise(images: Tensor) -> Tensor:
    """Equalise the histogram of each image over 0 to 255.

    A level is mapped to the share of pixels up to it. The darkest level is not counted and becomes
    0, so black borders have no effect. The result does not depend on brightness, contrast and
    gamma. An image with a single level is unchanged.

    Shape: images [B, 1, H, W], 0 to 255, rounded -> float32 of the same shape, whole numbers.
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
