"""Smaller pictures, and crops out of pictures, as MTCNN's networks were given them."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag


def _normalised(levels: Tensor) -> Tensor:
    """Grey levels in 0..255 as the networks expect them, in -1..1."""
    return (levels - 127.5) / 128


def scales(side: int, *, smallest: float, cell: int, step: float) -> list[float]:
    """Sizes of a picture at which a face fills ``cell`` pixels, from the smallest face on.

    ``side`` is the picture's shorter side, ``step`` the ratio of a size to the one before.
    """
    ratios = []
    face = smallest
    while face <= side:
        ratios.append(cell / face)
        face /= step
    return ratios


def _area_weights(pixels: int, parts: int, device: torch.device) -> Tensor:
    """How much of each of ``pixels`` falls into each of ``parts`` of equal size.

    Shape: -> [parts, pixels], each row 1 in sum.
    """
    edges = torch.arange(parts + 1, device=device, dtype=torch.float64) * pixels / parts
    pixel = torch.arange(pixels, device=device)
    covered = (edges[:, None] - pixel).clamp(0, 1).diff(dim=0)  # of a pixel, up to each edge
    return (covered * parts / pixels).float()


def pyramid(frames: Tensor, sizes: list[tuple[int, int]]) -> list[Tensor]:
    """The frames at every size, each pixel the mean of the area that it stands for.

    Shape: frames [F, H, W, 3] uint8 -> one [F, 3, h, w] for each (h, w), in -1..1.
    """
    height, width = frames.shape[1:3]
    heights = [h for h, _ in sizes]
    columns = [_area_weights(width, w, frames.device).T for _, w in sizes]
    rows = torch.cat([_area_weights(height, h, frames.device) for h in heights])
    # Each row is the weighted sum of a few rows of the frame: a "bag" of them, read once.
    row, chosen = rows.nonzero(as_tuple=True)
    counts = row.bincount(minlength=len(rows))
    starts, shares = counts.cumsum(0) - counts, rows[row, chosen]
    pictures = []
    for frame in frames:  # one stays in the processor's cache
        pixels = frame.flatten(1).float()
        low = embedding_bag(chosen, pixels, starts, mode="sum", per_sample_weights=shares)
        levels = torch.split(low.reshape(-1, width, 3).permute(2, 0, 1), heights, dim=1)
        pictures.append([level @ weights for level, weights in zip(levels, columns, strict=True)])
    return [
        _normalised(torch.stack(level)).contiguous(memory_format=torch.channels_last)
        for level in zip(*pictures, strict=True)
    ]


def crops(frames: Tensor, frame: Tensor, boxes: Tensor, size: int) -> Tensor:
    """Square crops by bilinear sampling; what is outside of a frame is 0, a middle grey.

    Shape: frames [F, H, W, 3] uint8, frame [M] (index), boxes [M, 4] -> [M, 3, size, size] in
    -1..1.
    """
    height, width = frames.shape[1:3]
    left, right, x_share, x_inside = _positions(boxes[:, 0], boxes[:, 2], width, size)
    top, bottom, y_share, y_inside = _positions(boxes[:, 1], boxes[:, 3], height, size)
    pixels = frames.reshape(-1, 3)

    def row(y: Tensor) -> Tensor:
        start = ((frame[:, None] * height + y) * width)[:, :, None]
        before, after = (pixels[start + x[:, None, :]].float() for x in (left, right))
        return torch.lerp(before, after, x_share[:, None, :, None])

    sampled = torch.lerp(row(top), row(bottom), y_share[:, :, None, None])
    inside = (y_inside[:, :, None] & x_inside[:, None, :])[..., None]
    return (_normalised(sampled) * inside).permute(0, 3, 1, 2)


def _positions(
    start: Tensor, end: Tensor, length: int, size: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """``size`` places from ``start`` to ``end`` along a side of ``length`` pixels.

    Shape: start, end [M] -> four [M, size]: the pixel before, the pixel after, the share of the
    latter, and whether the place is inside of the picture.
    """
    steps = torch.linspace(0, 1, size, device=start.device)
    # The published detector shrinks places so that the far edge falls on the last pixel's centre.
    place = torch.lerp(start[:, None], end[:, None], steps) * ((length - 1) / length)
    before = place.floor().clamp(0, length - 1)
    after = (before + 1).clamp(max=length - 1)
    inside = (place >= 0) & (place <= length - 1)
    return before.long(), after.long(), (place - before).clamp(0, 1), inside
