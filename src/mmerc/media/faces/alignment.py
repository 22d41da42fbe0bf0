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
_GREY = (0.299, 0.587, 0.114)  # ITU-R BT.601
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
    x_and_y = (places[None, :] + 1j * places[:, None] - shift) / turn
    crop = avg_pool2d(_sampled(frame, x_and_y.real, x_and_y.imag), finer)[0]
    if grey:
        crop = torch.tensordot(torch.tensor(_GREY), crop, dims=1)[None]
    pixels: NDArray[np.uint8] = crop.round().byte().permute(1, 2, 0).numpy()
    return pixels[..., 0] if grey else pixels


def _sampled(frame: Frame, x: NDArray[np.float64], y: NDArray[np.float64]) -> Tensor:
    """Sample a frame bilinearly, 0 outside.

    Shape: frame [H, W, 3] uint8, x and y [h, w] in pixels -> [1, 3, h, w].
    """
    left, width = _covered(x, frame.shape[1])
    top, height = _covered(y, frame.shape[0])
    part = torch.from_numpy(np.ascontiguousarray(frame[top : top + height, left : left + width]))
    shares = [(2 * (x - left) + 1) / width - 1, (2 * (y - top) + 1) / height - 1]
    grid = torch.from_numpy(np.stack(shares, axis=-1)).float()
    return grid_sample(part.permute(2, 0, 1)[None].float(), grid[None], align_corners=False)


def _covered(places: NDArray[np.float64], length: int) -> tuple[int, int]:
    """Return first index and number of the pixels needed for ``places`` on a side."""
    first = min(max(math.floor(places.min()), 0), length - 1)
    last = min(max(math.ceil(places.max()), first), length - 1)
    return first, last - first + 1
