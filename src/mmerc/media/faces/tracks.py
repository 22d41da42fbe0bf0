"""Link faces of successive frames into tracks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from mmerc.media.faces.boxes import overlaps
from mmerc.media.faces.detector import Face


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """One person's faces by frame index, in order."""

    faces: Mapping[int, Face]

    @property
    def side(self) -> float:
        """Mean side of the face in pixels (square root of the box area)."""
        sizes = [face.box[2:] - face.box[:2] for face in self.faces.values()]
        return float(np.sqrt(np.prod(sizes, axis=1)).mean())


def link_faces(
    detections: Sequence[Sequence[Face]], *, overlap: float = 0.3, gap: int = 3
) -> list[Track]:
    """Link faces of successive frames whose boxes overlap by ``overlap`` or more.

    ``detections`` has the faces of each frame; a person may be missing in up to ``gap`` consecutive
    frames. Only boxes are compared: two people in the same position before and after a cut become
    one track.
    """
    tracks: list[dict[int, Face]] = []
    for i, faces in enumerate(detections):
        alive = [track for track in tracks if i - max(track) <= gap + 1]
        pairs = dict(_matches([track[max(track)] for track in alive], faces, overlap))
        for position, face in enumerate(faces):
            if position in pairs:
                alive[pairs[position]][i] = face
            else:
                tracks.append({i: face})
    return [Track(track) for track in tracks]


def _matches(
    before: Sequence[Face], now: Sequence[Face], overlap: float
) -> Iterator[tuple[int, int]]:
    """Return the pairs (index in ``now``, index in ``before``) with the largest total overlap."""
    if not before or not now:
        return
    old, new = (torch.from_numpy(np.stack([face.box for face in faces])) for faces in (before, now))
    shares = overlaps(new, old).numpy()
    shares[shares < overlap] = 0  # invalid pairs must not compete with valid ones
    for position, earlier in zip(*_best_pairs(shares), strict=True):
        if shares[position, earlier] > 0:
            yield int(position), int(earlier)


def _best_pairs(shares: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return rows and columns of the optimal assignment. Shape: [now, before]."""
    if min(shares.shape) == 1:  # the usual case; scipy.optimize is slow to import
        row, column = np.unravel_index(shares.argmax(), shares.shape)
        return np.array([row]), np.array([column])
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(shares, maximize=True)
    return rows, columns
