"""Crops of faces, how much each of them shows, and the frame it comes from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OFFSET = 0.3  # of the eyes' distance: the deviation of the Gaussian


@dataclass(frozen=True, slots=True, eq=False)
class FaceViews:
    """Crops of faces, how frontal each one is, and the number of its frame or picture.

    Shape: crops uint8 [n, size, size] or [n, size, size, 3]; frontality [n] in 0..1 and frames [n]
    int, n > 0.
    """

    crops: NDArray[np.uint8]
    frontality: NDArray[np.float64]
    frames: NDArray[np.intp]


def measure_frontality(landmarks: NDArray[np.floating]) -> float:
    """How frontal a face is: 1 from the front, near 0 in profile.

    The nose of a turned face leaves the line between the middles of eyes and mouth, and the eyes
    come closer to each other. A Gaussian of the nose's distance from that line, over the eyes'.

    Shape: landmarks [5, 2] (x, y): the eyes, the nose and the corners of the mouth.
    """
    points = landmarks[:, 0] + 1j * landmarks[:, 1]
    eyes, mouth = points[:2].mean(), points[3:].mean()
    width, height = abs(points[1] - points[0]), abs(mouth - eyes)
    if width == 0 or height == 0:
        return 0.0
    offset = ((points[2] - eyes) * np.conj(mouth - eyes)).imag / height / width
    return float(np.exp(-0.5 * (offset / _OFFSET) ** 2))
