"""Downscaling and cropping of pictures as in MTCNN's training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def _normalised(levels: Tensor) -> Tensor:
    """Normalise grey levels from 0..255 to -1..1."""
    return (levels - 127.5) / 128


def scales(side: int, *, smallest: float, cell: int, step: float) -> list[float]:
    """Return the scales at which a face fills ``cell`` pixels, from the smallest face on.

    ``side``: the picture's shorter side. ``step``: ratio of successive scales.
    """
    ratios = []
    face = smallest
    while face <= side:
        ratios.append(cell / face)
        face /= step
    return ratios


def area_weights(pixels: int, parts: int, device: torch.device) -> Tensor:
    """Compute the overlap of each of ``pixels`` with each of ``parts`` of equal size.

    Shape: -> [parts, pixels]; each row sums to 1.
    """
    edges = torch.arange(parts + 1, device=device, dtype=torch.float64) * pixels / parts
    pixel = torch.arange(pixels, device=device)
    covered = (edges[:, None] - pixel).clamp(0, 1).diff(dim=0)  # share of a pixel in each part
    return (covered * parts / pixels).float()


@dataclass(frozen=True, slots=True)
class _Mixture:
    """Sparse weighted sums of items, one per output ("bags" of items).

    Shape: chosen and shares [K], starts [parts].
    """

    chosen: Tensor
    starts: Tensor
    shares: Tensor

    @classmethod
    def of(cls, weights: Tensor) -> Self:
        """Shape: weights [parts, items]."""
        part, chosen = weights.nonzero(as_tuple=True)
        counts = part.bincount(minlength=len(weights))
        return cls(chosen, counts.cumsum(0) - counts, weights[part, chosen])

    def __call__(self, items: Tensor) -> Tensor:
        """Shape: items [items, D] -> [parts, D]."""
        return embedding_bag(
            self.chosen, items, self.starts, mode="sum", per_sample_weights=self.shares
        )


class Shrinker:
    """Downscales pictures of one size to several sizes at once.

    Shape: rows one [h, H] and columns one [w, W] for each size (``area_weights``).
    """

    def __init__(self, rows: Sequence[Tensor], columns: Sequence[Tensor]) -> None:
        self.heights = [len(level) for level in rows]
        self.rows = _Mixture.of(torch.cat(list(rows)))
        self.columns = [_Mixture.of(level) for level in columns]

    def __call__(self, picture: Tensor) -> list[Tensor]:
        """Shape: [H, W, 3] uint8 -> one [3, h, w] for each size."""
        low = self.rows(picture.flatten(1).float()).view(-1, *picture.shape[1:])
        levels = torch.split(low.transpose(0, 1), self.heights, dim=1)  # [W, h, 3]
        return [
            mix(level.flatten(1)).view(-1, *level.shape[1:]).permute(2, 1, 0)
            for mix, level in zip(self.columns, levels, strict=True)
        ]


def pyramid(frames: Tensor, sizes: Sequence[tuple[int, int]]) -> list[Tensor]:
    """Downscale frames to every size, by averaging areas.

    Shape: frames [F, H, W, 3] uint8 -> one [F, 3, h, w] for each (h, w), in -1..1.
    """
    shrink = Shrinker(*level_weights(frames, sizes))
    # One frame after the other, so that it stays in the CPU's cache.
    return [stacked(level) for level in zip(*map(shrink, frames), strict=True)]


def level_weights(
    frames: Tensor, sizes: Sequence[tuple[int, int]]
) -> tuple[list[Tensor], list[Tensor]]:
    """Compute row and column weights for each size (h, w). Shape: each [h, H]; each [w, W]."""
    height, width = frames.shape[1:3]
    rows = [area_weights(height, h, frames.device) for h, _ in sizes]
    return rows, [area_weights(width, w, frames.device) for _, w in sizes]


def stacked(pictures: Iterable[Tensor]) -> Tensor:
    """Stack and normalise pictures. Shape: each [3, h, w] -> [F, 3, h, w]."""
    return _normalised(torch.stack(list(pictures))).contiguous(memory_format=torch.channels_last)


def crops(frames: Tensor, frame: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Sample square crops bilinearly; 0 (middle grey) outside a frame.

    Shape: frames [F, H, W, 3] uint8, frame [M] (index), boxes [M, 4] -> [M, 3, size, size] in
    -1..1.
    """
    height, width = frames.shape[1:3]
    left, right, x_share, x_inside = _positions(boxes[:, 0], boxes[:, 2], width, size)
    top, bottom, y_share, y_inside = _positions(boxes[:, 1], boxes[:, 3], height, size)
    pixels = frames.reshape(-1, 3)

    def choose(places: Tensor) -> Tensor:  # a third of the time of pixels[places]
        return pixels.index_select(0, places.flatten()).view(*places.shape, 3)

    def row(y: Tensor) -> Tensor:
        start = ((frame[:, None] * height + y) * width)[:, :, None]
        before, after = (choose(start + x[:, None, :]).float() for x in (left, right))
        return torch.lerp(before, after, x_share[:, None, :, None])

    sampled = torch.lerp(row(top), row(bottom), y_share[:, :, None, None])
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    return (_normalised(sampled) * inside).permute(0, 3, 1, 2)


def _positions(
    start: Tensor, end: Tensor, length: int, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute ``size`` positions from ``start`` to ``end`` on a side of ``length`` pixels.

    Shape: start, end [M] -> four [M, size]: the pixel before, the pixel after, the weight of the
    latter, and whether the position is inside the picture.
    """
    steps = torch.linspace(0, 1, size, device=start.device)
    # The published detector scales positions so that the far edge is the last pixel's centre.
    place = torch.lerp(start[:, None], end[:, None], steps) * ((length - 1) / length)
    before = place.floor().clamp(0, length - 1)
    after = (before + 1).clamp(max=length - 1)
    inside = (place >= 0) & (place <= length - 1)
    return before.long(), after.long(), (place - before).clamp(0, 1), inside
