"""Weights of faces in an utterance's mean: sharp and frontal faces count more."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_POWER = 4  # exponent of the sharpness; chosen on PublicTest (README.md)
_FAINT = 1e-3  # avoids weights of 0


def measure_sharpness(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Measure sharpness: RMS difference across two pixels, divided by the standard deviation.

    Independent of brightness and contrast. 0 for an image of one level.

    Shape: crops [n, H, W] -> [n].
    """
    levels = crops.astype(np.float64)
    across, down = levels[:, :, 2:] - levels[:, :, :-2], levels[:, 2:] - levels[:, :-2]
    steps = np.square(across).mean(axis=(1, 2)) + np.square(down).mean(axis=(1, 2))
    deviation = levels.std(axis=(1, 2))
    sharpness: NDArray[np.float64] = np.sqrt(steps) / np.maximum(deviation, 1e-9)
    return sharpness


def weigh_faces(crops: NDArray[np.uint8], frontality: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the weights of an utterance's faces: sharpness to a power, times frontality.

    Faces of equal sharpness and frontality get equal weights.

    Shape: crops [n, H, W], frontality [n] -> [n], summing to 1.
    """
    weights = (measure_sharpness(crops) + _FAINT) ** _POWER * (frontality + _FAINT)
    normalised: NDArray[np.float64] = weights / weights.sum()
    return normalised
