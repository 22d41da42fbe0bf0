"""Which faces of successive frames are the same person's."""

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
    """One person's faces by the index of their frame, in order."""

    faces: Mapping[int, Face]

    @property
    def side(self) -> float:
        """Mean side of the face in pixels (of a square as large as its box)."""
        sizes = [face.box[2:] - face.box[:2] for face in self.faces.values()]
        return float(np.sqrt(np.prod(sizes, axis=1)).mean())


def link_faces(
    detections: Sequence[Sequence[Face]], *, overlap: float = 0.3, gap: int = 3
) -> list[Track]:
    """Join faces of successive frames where their boxes overlap by ``overlap`` or more.

    ``detections`` has the faces of each frame; a person may be missing in ``gap`` frames in a row.
    Boxes are all that counts: two people in the same place before and after a cut make one track.
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
    """Pairs (position in ``now``, position in ``before``) that overlap most, all taken together."""
    if not before or not now:
        return
    old, new = (torch.from_numpy(np.stack([face.box for face in faces])) for faces in (before, now))
    shares = overlaps(new, old).numpy()
    shares[shares < overlap] = 0  # what cannot be a pair must not weigh against what can
    for position, earlier in zip(*_best_pairs(shares), strict=True):
        if shares[position, earlier] > 0:
            yield int(position), int(earlier)


def _best_pairs(shares: NDArray[np.float32]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the assignment with the greatest total. Shape: [now, before]."""
    if min(shares.shape) == 1:  # nearly always, and scipy.optimize is slow to import
        row, column = np.unravel_index(shares.argmax(), shares.shape)
        return np.array([row]), np.array([column])
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(shares, maximize=True)
    return rows, columns
