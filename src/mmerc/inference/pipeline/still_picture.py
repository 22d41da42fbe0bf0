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
    frames = (
        frame.pixels.astype(np.float32).mean(-1)
        for frame in read_frames(recording, times, height=_HEIGHT)
    )
    try:  # most films differ in the first two frames, and no further one is read
        changed = any(_is_change(before, after) for before, after in pairwise(frames))
    except MediaError:  # a damaged end: faces say why they are absent
        return ()
    return () if changed else (_REMARK,)


def _is_change(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether any part of the picture changes by more than coding does. Shape: [H, W] each."""
    return any(part.mean() > _CHANGE for part in _tiles(np.abs(after - before)))


def _tiles(change: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Twelve by twelve parts of a picture; fewer of a tiny one. Shape: [H, W] -> [h, w] each."""
    rows = np.array_split(change, min(12, change.shape[0]), axis=0)
    return [part for row in rows for part in np.array_split(row, min(12, row.shape[1]), axis=1)]
