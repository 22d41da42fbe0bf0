"""Boxes [x0, y0, x1, y1] in pixels: overlap and non-maximum suppression."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

_MOST_IN_A_GROUP = 2000  # only noise gives more; their pairs would not fit into memory
_PAIRS_AT_ONCE = 2**22

_Measure = Literal["union", "smaller"]


def overlaps(boxes: Tensor, others: Tensor, measure: _Measure = "union") -> Tensor:
    """Compute each pair's intersection, as a share of the union or of the smaller box.

    Shape: boxes [..., N, 4], others [..., M, 4] -> [..., N, M]; NaN for two boxes without area.
    """
    corner = torch.maximum(boxes[..., :, None, :2], others[..., None, :, :2])
    opposite = torch.minimum(boxes[..., :, None, 2:], others[..., None, :, 2:])
    common = (opposite - corner).clamp(min=0).prod(-1)
    sizes = (boxes[..., 2:] - boxes[..., :2]).prod(-1)[..., :, None]
    other_sizes = (others[..., 2:] - others[..., :2]).prod(-1)[..., None, :]
    if measure == "smaller":
        return common / torch.minimum(sizes, other_sizes)
    return common / (sizes + other_sizes - common)


def suppress_overlaps(
    boxes: Tensor, scores: Tensor, groups: Tensor, *, overlap: float, measure: _Measure = "union"
) -> Tensor:
    """Select boxes that overlap no better box of their group by more than ``overlap``.

    Shape: boxes [M, 4], scores [M], groups [M] int -> indices [K], group by group, best first.
    Suppressed boxes still suppress others, as in the published detector, so that all pairs can be
    compared at once.
    """
    order = scores.argsort(descending=True, stable=True)
    order = order[groups[order].argsort(stable=True)]
    group, counts = groups[order], groups.bincount()
    place = torch.arange(len(order), device=order.device) - (counts.cumsum(0) - counts)[group]
    ranked = place < _MOST_IN_A_GROUP
    order, group, place = order[ranked], group[ranked], place[ranked]
    width = int(place.max()) + 1 if len(order) else 0
    padded = boxes.new_zeros(len(counts), width, 4)
    padded[group, place] = boxes[order]
    parts = torch.split(padded, max(1, _PAIRS_AT_ONCE // max(1, width**2)))
    suppressed = [(overlaps(part, part, measure) > overlap).triu(1).any(1) for part in parts]
    return order[~torch.cat(suppressed)[group, place]]


def move_boxes(boxes: Tensor, offsets: Tensor) -> Tensor:
    """Move boxes by the offsets of R-Net or O-Net.

    Shape: boxes [M, 4], offsets [M, 4] as shares of the box (last pixel included) -> [M, 4].
    """
    sizes = boxes[:, 2:] - boxes[:, :2] + 1
    return boxes + offsets * sizes.tile(2)


def make_square(boxes: Tensor) -> Tensor:
    """Extend boxes to squares with the same centre and the longer side.

    Shape: [M, 4] -> [M, 4].
    """
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2
    return torch.cat([centres - half, centres + half], dim=1)
