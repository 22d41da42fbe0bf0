"""Detect faces in successive frames of a film, using nearby frames to save time.

Every fifth frame is searched completely; the frames between two of those, only in windows around
the faces of both. The networks see the same pixels as in a complete search, so the faces are the
same up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import numpy as np
import torch

from mmerc.media.faces.detector import Face, FaceDetector, Frame
from mmerc.media.faces.windows import Window

_EVERY = 5
_NEEDED = 1.6  # size of the networks' input around a face, in sides of the face
_MOST_COST = 0.7  # relative to a complete search


def follow_faces(detector: FaceDetector, frames: Sequence[Frame]) -> list[list[Face]]:
    """Find the faces of successive frames of a film, like ``FaceDetector.detect``.

    A face that is only visible between two completely searched frames is missed, unless nobody else
    is on screen. Identical consecutive frames are searched once.

    Shape: frames each [H, W, 3] uint8 (RGB).
    """
    if len({frame.shape for frame in frames}) > 1:
        return detector.detect(frames)
    changed = [i for i in range(len(frames)) if i == 0 or not _equal(frames[i], frames[i - 1])]
    faces = _follow(detector, [frames[i] for i in changed])
    places = np.searchsorted(changed, range(len(frames)), side="right") - 1
    return [faces[place] for place in places]


def _equal(frame: Frame, before: Frame) -> bool:
    return frame is before or np.array_equal(frame, before)


def _follow(detector: FaceDetector, frames: Sequence[Frame]) -> list[list[Face]]:
    """Like ``follow_faces``, for frames of one size without identical neighbours."""
    count = len(frames)
    whole = sorted({*range(0, count, _EVERY), *range(count)[-1:]})
    faces = _detect(detector, frames, whole)
    windows: dict[int, list[Window]] = {}
    fewest: dict[int, int] = {}
    for before, after in pairwise(whole):
        near = _choose_windows([*faces[before], *faces[after]], smallest=detector.smallest)
        cost = sum(window.cost(detector.smallest) for window in near)
        if near and cost < _MOST_COST * frames[0].shape[0] * frames[0].shape[1]:
            between = range(before + 1, after)
            windows |= dict.fromkeys(between, near)
            fewest |= dict.fromkeys(between, max(len(faces[before]), len(faces[after])))
    found = _search(detector, frames, windows)
    # With fewer faces than in a nearby frame, somebody may have left the windows.
    faces |= {i: now for i, now in found.items() if len(now) >= fewest[i]}
    faces |= _detect(detector, frames, [i for i in range(count) if i not in faces])
    return [faces[i] for i in range(count)]


def _detect(
    detector: FaceDetector, frames: Sequence[Frame], chosen: Sequence[int]
) -> dict[int, list[Face]]:
    """Search frames completely."""
    return dict(zip(chosen, detector.detect([frames[i] for i in chosen]), strict=True))


def _choose_windows(faces: Iterable[Face], *, smallest: float) -> list[Window]:
    """Choose windows around faces; none for a face inside another one's window."""
    windows: list[Window] = []
    for face in faces:
        x, y = ((face.box[:2] + face.box[2:]) / 2).tolist()
        size = float((face.box[2:] - face.box[:2]).max())
        needed = _NEEDED * size
        corner = {"left": x - needed / 2, "top": y - needed / 2}
        if not any(w.shows(**corner, side=needed) and w.expects(size) for w in windows):
            windows.append(Window.around(x, y, face=size, smallest=smallest))
    return windows


@torch.inference_mode()
def _search(
    detector: FaceDetector, frames: Sequence[Frame], windows: Mapping[int, Sequence[Window]]
) -> dict[int, list[Face]]:
    """Search frames only in windows. ``windows``: for each frame."""
    if not windows:
        return {}
    numbers = list(windows)
    pictures = torch.from_numpy(np.stack([frames[i] for i in numbers])).to(detector.device)
    places: dict[Window, list[int]] = {}
    for place, i in enumerate(numbers):
        for window in windows[i]:
            places.setdefault(window, []).append(place)
    found: dict[int, list[Face]] = {i: [] for i in numbers}
    for place, face in detector.judge(pictures, detector.propose_in(pictures, places)):
        found[numbers[place]].append(face)
    return found
