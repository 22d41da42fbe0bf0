"""Square windows around expected faces, cut from the downscaled frames of P-Net."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mmerc.media.faces.sampling import Shrinker, level_weights, stacked

_SIDES = 2.0  # minimum side of a window, relative to the face
_SIZES = 1.25  # ratio of successive window sizes; windows of one size are a batch
_FACE = 0.4  # smallest expected face, relative to the window's side
_SMALLEST, _LARGEST = 0.2, 0.85  # range of P-Net's cells, relative to the window's side
_ROOM = 1.3  # minimum side relative to the smallest face: its cells, rounded up, fit the window


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A square part of a frame, in pixels; may extend beyond the frame."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, x: float, y: float, *, face: float, smallest: float) -> Self:
        """Create a window around a face at (x, y) with sides of ``face`` pixels.

        It has room for P-Net's cells for faces of ``smallest`` pixels, which find smaller ones too.
        """
        needed = max(_SIDES * face, _ROOM * smallest)
        side = math.ceil(_SIZES ** math.ceil(math.log(needed, _SIZES)))
        return cls(left=round(x - side / 2), top=round(y - side / 2), side=side)

    def shows(self, *, left: float, top: float, side: float) -> bool:
        """Whether a square is inside this window."""
        across = self.left <= left and left + side <= self.left + self.side
        return across and self.top <= top and top + side <= self.top + self.side

    def expects(self, face: float) -> bool:
        """Whether faces of this size in pixels are found in this window."""
        return face >= _FACE * self.side

    def fits(self, cell: float) -> bool:
        """Whether faces in P-Net cells of this size in pixels are expected."""
        return _SMALLEST * self.side <= cell <= _LARGEST * self.side

    def cost(self, smallest: float) -> float:
        """Return the search cost for faces from ``smallest`` on, in pixels of a full frame."""
        coarser = max(1.0, _SMALLEST * self.side / smallest)
        return (self.side / coarser) ** 2


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of downscaled frames, with their corners in those frames.

    Shape: pictures [M, 3, h, w] in -1..1, frame [M] (index), corner [M, 2] (x, y).
    """

    pictures: Tensor
    frame: Tensor
    corner: Tensor


def cut_windows(
    frames: Tensor,
    windows: Mapping[Window, Sequence[int]],
    sizes: Sequence[tuple[int, int]],
    *,
    cell: int,
    step: int,
) -> Iterator[tuple[int, Parts]]:
    """Cut windows out of downscaled frames; yield them with the index of the size (h, w).

    Pixels equal those of ``pyramid`` up to rounding. Corners are multiples of ``step``; sizes whose
    ``cell`` does not fit the window are skipped. ``windows``: the frames of each window.

    Shape: frames [F, H, W, 3] uint8.
    """
    weights = level_weights(frames, sizes)
    by_side: dict[int, list[Window]] = {}
    for window in windows:
        by_side.setdefault(window.side, []).append(window)
    for group in by_side.values():
        chosen = [n for n, (h, _) in enumerate(sizes) if group[0].fits(cell * len(frames[0]) / h)]
        near = [[level[n] for n in chosen] for level in weights]
        pictures: list[list[Tensor]] = []
        corners: list[list[tuple[int, int]]] = []
        for window in group:
            cut = _Cut(window, *near, step=step)
            pictures += [cut(frames[number]) for number in windows[window]]
            corners += [cut.corners] * len(windows[window])
        numbers = torch.tensor([n for window in group for n in windows[window]])
        for n, level, corner in zip(
            chosen, zip(*pictures, strict=True), zip(*corners, strict=True), strict=True
        ):
            places = torch.tensor(corner, device=frames.device)
            yield n, Parts(stacked(level), numbers.to(frames.device), places)


class _Cut:
    """Cuts one window out of downscaled frames, reading only the pixels it needs."""

    def __init__(
        self, window: Window, rows: Sequence[Tensor], columns: Sequence[Tensor], *, step: int
    ) -> None:
        ys = [_find_cut(window.top, window.side, weights, step) for weights in rows]
        xs = [_find_cut(window.left, window.side, weights, step) for weights in columns]
        rows, self.height = _cut_weights(rows, ys)
        columns, self.width = _cut_weights(columns, xs)
        self.shrink = Shrinker(rows, columns)
        self.corners = [(x.start, y.start) for x, y in zip(xs, ys, strict=True)]

    def __call__(self, frame: Tensor) -> list[Tensor]:
        """Shape: frame [H, W, 3] uint8 -> one [3, h, w] for each size."""
        return self.shrink(frame[self.height, self.width])


def _find_cut(start: int, side: int, weights: Tensor, step: int) -> slice:
    """Locate a window on a side of a downscaled frame. Shape: weights [parts, pixels].

    The length is the same for all windows with the same side.
    """
    parts, pixels = weights.shape
    length = step * math.ceil(side * parts / pixels / step) + step
    if length >= parts:
        return slice(0, parts)
    first = step * math.floor(start * parts / pixels / step)
    first = min(max(first, 0), (parts - length) // step * step)
    return slice(first, first + length)


def _cut_weights(weights: Sequence[Tensor], cuts: Sequence[slice]) -> tuple[list[Tensor], slice]:
    """Return the weights of the cut parts, and the range of pixels they refer to."""
    parts = [level[cut] for level, cut in zip(weights, cuts, strict=True)]
    used = torch.stack([part.any(0) for part in parts]).any(0).nonzero()
    pixels = slice(int(used[0]), int(used[-1]) + 1)
    return [part[:, pixels] for part in parts], pixels
