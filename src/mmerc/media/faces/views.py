"""Crops of faces with their frontality and frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_OFFSET = 0.3  # sigma of the Gaussian, relative to the eyes' distance


@dataclass(frozen=True, slots=True, eq=False)
class FaceViews:
    """Crops of faces, each with its frontality and the index of its frame or picture.

    Shape: crops uint8 [n, size, size] or [n, size, size, 3]; frontality [n] in 0..1 and frames [n]
    int, n > 0.
    """

    crops: NDArray[np.uint8]
    frontality: NDArray[np.float64]
    frames: NDArray[np.intp]


def measure_frontality(landmarks: NDArray[np.floating]) -> float:
    """Measure the frontality of a face: 1 from the front, near 0 in profile.

    In a turned face, the nose moves away from the line between the centres of eyes and mouth, and
    the eyes move closer together. The result is a Gaussian of the nose's distance from that line,
    divided by the distance of the eyes.

    Shape: landmarks [5, 2] (x, y): eyes, nose and corners of the mouth.
    """
    points = landmarks[:, 0] + 1j * landmarks[:, 1]
    eyes, mouth = points[:2].mean(), points[3:].mean()
    width, height = abs(points[1] - points[0]), abs(mouth - eyes)
    if width == 0 or height == 0:
        return 0.0
    offset = ((points[2] - eyes) * np.conj(mouth - eyes)).imag / height / width
    return float(np.exp(-0.5 * (offset / _OFFSET) ** 2))
