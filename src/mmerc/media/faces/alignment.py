"""Align faces: upright, centred and of one size, like FER2013's."""

from __future__ import annotations

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d, grid_sample

from mmerc.media.faces.detector import Frame, check_frame

# Eyes, nose and corners of the mouth as shares of the crop: medians of the detector's landmarks in
# 2,751 of FER2013's training pictures, made symmetric.
_TEMPLATE = np.array([[0.317, 0.385], [0.683, 0.385], [0.5, 0.59], [0.344, 0.77], [0.656, 0.77]])
_Points = NDArray[np.complexfloating]
_GREY = torch.tensor([[0.299, 0.587, 0.114]])  # ITU-R BT.601
_FINEST = 16  # maximum number of source pixels per side that are averaged into one


def similarity(
    points: NDArray[np.floating], target: NDArray[np.floating]
) -> tuple[complex, complex]:
    """Compute the similarity transform of ``points`` to ``target`` (Umeyama 1991).

    Shape: points, target [N, 2] -> (a, b), the least-squares solution a z + b for points (x, y) as
    complex numbers z = x + iy. ValueError if all points are equal.
    """
    source = points[:, 0] + 1j * points[:, 1]
    aim = target[:, 0] + 1j * target[:, 1]
    centred = source - source.mean()
    spread = np.vdot(centred, centred).real
    if spread == 0:
        raise ValueError("landmarks of a face must not all be in one place")
    turn = np.vdot(centred, aim - aim.mean()) / spread
    return complex(turn), complex(aim.mean() - turn * source.mean())


def align_face(
    frame: Frame,
    landmarks: NDArray[np.floating],
    *,
    size: int = 48,
    grey: bool = True,
    template: NDArray[np.floating] = _TEMPLATE,
) -> NDArray[np.uint8]:
    """Crop an upright square of the face with these landmarks; black outside the frame.

    Shape: frame [H, W, 3] uint8, landmarks [5, 2] (x, y) in pixels -> [size, size] if ``grey``,
    else [size, size, 3], uint8. ``template`` has the landmarks' positions in the crop, as shares.
    The default shows the same as FER2013's pictures: from forehead to chin, with some margin at the
    sides.
    """
    check_frame(frame)
    turn, shift = similarity(landmarks, template * size - 0.5)
    finer = min(_FINEST, max(1, math.ceil(1 / abs(turn))))
    places = (np.arange(size * finer) + 0.5) / finer - 0.5
    sampled = _sampled(frame, (places - shift) / turn, 1j * places / turn, grey=grey)
    crop = _averaged(sampled, finer)[0]
    pixels: NDArray[np.uint8] = crop.round().byte().permute(1, 2, 0).numpy()
    return pixels[..., 0] if grey else pixels


def _sampled(frame: Frame, across: _Points, down: _Points, *, grey: bool) -> Tensor:
    """Sample a frame bilinearly at across + down, points x + iy in pixels; 0 outside.

    Shape: frame [H, W, 3] uint8, across [w], down [h] -> [1, 1 if grey else 3, h, w].
    """
    left, width = _covered(across.real, down.real, frame.shape[1])
    top, height = _covered(across.imag, down.imag, frame.shape[0])
    part = torch.from_numpy(frame)[top : top + height, left : left + width]
    levels = part.float().permute(2, 0, 1)
    if grey:  # before sampling, which then has a third of the work
        levels = torch.mm(_GREY, levels.reshape(3, -1)).view(1, height, width)
    grid = np.empty((len(down), len(across), 2), np.float32)
    x, y = (2 * (across.real - left) + 1) / width - 1, 2 * down.real / width
    np.add(x[None], y[:, None], out=grid[..., 0], casting="same_kind")
    x, y = (2 * (across.imag - top) + 1) / height - 1, 2 * down.imag / height
    np.add(x[None], y[:, None], out=grid[..., 1], casting="same_kind")
    return grid_sample(levels[None], torch.from_numpy(grid)[None], align_corners=False)


def _averaged(pictures: Tensor, count: int) -> Tensor:
    """Average squares of ``count`` x ``count`` pixels.

    Shape: [1, C, h * count, w * count] -> [1, C, h, w].
    """
    if count > 2:
        return avg_pool2d(pictures, count)
    # The same sums as of avg_pool2d, whose loops take three times as long for few pixels.
    places = [(y, x) for y in range(count) for x in range(count)]
    first, *others = (pictures[..., y::count, x::count] for y, x in places)
    for other in others:
        first = first + other
    return first / len(places)


def _covered(
    across: NDArray[np.floating], down: NDArray[np.floating], length: int
) -> tuple[int, int]:
    """Find the first pixel that across + down need along ``length`` pixels, and how many."""
    first = min(max(math.floor(across.min() + down.min()), 0), length - 1)
    last = min(max(math.ceil(across.max() + down.max()), first), length - 1)
    return first, last - first + 1
