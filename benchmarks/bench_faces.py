"""Time of face detection in 20 frames: followed, batched, and one frame at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import cycle

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.data import astronaut
from torch.nn.functional import interpolate

from mmerc.media.faces.detector import Face, FaceDetector
from mmerc.media.faces.following import follow_faces

HEIGHT, WIDTH, FRAMES, SMALLEST, ROUNDS = 480, 640, 20, 60, 5
SCALES = (0.6, 0.7, 0.8, 0.9)  # faces of 66 to 100 pixels

Frames = list[NDArray[np.uint8]]


def film() -> Frames:
    """Create frames of a real photograph that is enlarged and shifted."""
    photograph = torch.from_numpy(astronaut().copy()).permute(2, 0, 1)[None].float()
    frames = []
    for i, scale in zip(range(FRAMES), cycle(SCALES), strict=False):
        small = interpolate(photograph, scale_factor=scale, mode="bilinear", antialias=True)
        picture = small[0].permute(1, 2, 0).round().byte().numpy()
        frame = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
        frame[: len(picture), 5 * i : 5 * i + picture.shape[1]] = picture
        frames.append(frame)
    return frames


def seconds(function: Callable[[], list[list[Face]]]) -> float:
    """Return the time of one run; a face must be found in every frame."""
    started = time.perf_counter()
    outcome = function()
    elapsed = time.perf_counter() - started
    if not all(outcome):
        raise RuntimeError("a frame without a face")
    return elapsed


def main() -> None:
    frames, detector = film(), FaceDetector(smallest=SMALLEST)
    ways = (
        lambda: follow_faces(detector, frames),
        lambda: detector.detect(frames),
        lambda: [detector.detect([frame])[0] for frame in frames],
    )
    # Alternating, so that other work on the machine affects all equally.
    rounds = np.array([[seconds(way) for way in ways] for _ in range(ROUNDS + 1)])[1:]
    followed, together, alone = rounds.T
    print(f"faces from {SMALLEST} pixels on in {FRAMES} frames of {WIDTH} x {HEIGHT}")
    print(f"  {torch.get_num_threads()} threads: {FRAMES / followed.min():.0f} frames per second")
    print(f"  compared with one frame at a time: {np.median(alone / followed):.1f} times (bar 3)")
    print(f"  batched: {np.median(alone / together):.1f} times")
    print("  real time needs 20 frames per second (20 in 3 s of video, at 3 times playback speed)")


if __name__ == "__main__":
    main()
