"""Square parts of frames in which a face is expected, made smaller as P-Net looks at them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from mmerc.media.faces.sampling import Shrinker, level_weights, stacked

_SIDES = 2.0  # sides of a face in a window around it, at least
_SIZES = 1.25  # ratio of a window size to the next smaller one: those of one size are a batch
_FACE = 0.4  # of a window's side: the smallest face that is expected in it
_SMALLEST, _LARGEST = 0.2, 0.85  # of a window's side: P-Net's cells there


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A square part of a frame, in pixels; it may reach beyond the frame."""

    left: int
    top: int
    side: int

    @classmethod
    def around(cls, x: float, y: float, *, face: float) -> Self:
        """A window around a face in (x, y) with sides of ``face`` pixels."""
        side = math.ceil(_SIZES ** math.ceil(math.log(_SIDES * face, _SIZES)))
        return cls(left=round(x - side / 2), top=round(y - side / 2), side=side)

    def shows(self, *, left: float, top: float, side: float) -> bool:
        """Whether a square is inside of this window."""
        across = self.left <= left and left + side <= self.left + self.side
        return across and self.top <= top and top + side <= self.top + self.side

    def expects(self, face: float) -> bool:
        """Whether faces of so many pixels are found in this window."""
        return face >= _FACE * self.side

    def fits(self, cell: float) -> bool:
        """Whether faces that P-Net's cells of so many pixels show are expected."""
        return _SMALLEST * self.side <= cell <= _LARGEST * self.side

    def cost(self, smallest: float) -> float:
        """Pixels of the frame whose search, for faces from ``smallest`` on, takes as long."""
        coarser = max(1.0, _SMALLEST * self.side / smallest)
        return (self.side / coarser) ** 2


@dataclass(frozen=True, slots=True)
class Parts:
    """Parts of frames that were made smaller, and where in the smaller frames they begin.

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
    """Cut windows out of frames made smaller, with the index of the size (h, w).

    Their pixels are those of ``pyramid``, to rounding. They begin at a multiple of ``step``, and
    sizes at which ``cell`` pixels do not fit are left out. ``windows``: the frames of each.

    Shape: frames [F, H, W, 3] uint8.
    """
    weights = level_weights(frames, sizes)
    alike: dict[int, list[Window]] = {}
    for window in windows:
        alike.setdefault(window.side, []).append(window)
    for group in alike.values():
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
    """Cuts one window out of frames made smaller; reads only the pixels that it consists of."""

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
    """Where a window is along a side of a frame made smaller. Shape: weights [parts, pixels].

    The length is the same for all windows of one side.
    """
    parts, pixels = weights.shape
    length = step * math.ceil(side * parts / pixels / step) + step
    if length >= parts:
        return slice(0, parts)
    first = step * math.floor(start * parts / pixels / step)
    first = min(max(first, 0), (parts - length) // step * step)
    return slice(first, first + length)


def _cut_weights(weights: Sequence[Tensor], cuts: Sequence[slice]) -> tuple[list[Tensor], slice]:
    """The weights of parts, and of which pixels these are the weights."""
    parts = [level[cut] for level, cut in zip(weights, cuts, strict=True)]
    used = torch.stack([part.any(0) for part in parts]).any(0).nonzero()
    pixels = slice(int(used[0]), int(used[-1]) + 1)
    return [part[:, pixels] for part in parts], pixels
