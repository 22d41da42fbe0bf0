"""Whether a film is one still picture, such as a photograph with sound."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.media.decode import MediaInfo
from mmerc.media.segment import MediaError
from mmerc.media.video_frames import frame_times, read_frames

_LOOKS, _HEIGHT = 5, 120  # frames, pixels
_CHANGE = 2.0  # grey levels of 256: more than coding changes a still picture
_REMARK = "The picture never changes: a face in it does not show how anything is said."


def still_remarks(recording: Path, info: MediaInfo) -> tuple[str, ...]:
    """A remark if five frames, spread evenly over the film, are alike.

    [decided] They are if in no part of the picture, a twelfth of its width and height, the mean
    change from one to the next exceeds two grey levels of 256: a mouth that moves in a still scene
    is not lost.
    """
    if not info.has_film or not info.duration:
        return ()
    times = frame_times(0, info.duration, _LOOKS)
    try:
        frames = [
            frame.pixels.astype(np.float32).mean(-1)
            for frame in read_frames(recording, times, height=_HEIGHT)
        ]
    except MediaError:  # a damaged end: faces say why they are absent
        return ()
    changes = [np.abs(after - before) for before, after in pairwise(frames)]
    largest = max(part.mean() for change in changes for part in _tiles(change))
    return (_REMARK,) if largest <= _CHANGE else ()


def _tiles(change: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Twelve by twelve parts of a picture; fewer of a tiny one. Shape: [H, W] -> [h, w] each."""
    rows = np.array_split(change, min(12, change.shape[0]), axis=0)
    return [part for row in rows for part in np.array_split(row, min(12, row.shape[1]), axis=1)]
