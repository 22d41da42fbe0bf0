"""Detect films of a single still picture, such as a photograph with sound."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.media.decode import MediaInfo, frame_times, read_frames
from mmerc.media.segment import MediaError

_LOOKS, _HEIGHT = 5, 120  # frames, pixels
_CHANGE = 2.0  # grey levels of 256; compression changes a still picture less
_REMARK = "The picture never changes, so faces in it do not reflect the speech."


def still_remarks(recording: Path, info: MediaInfo) -> tuple[str, ...]:
    """Remark if five frames, spread evenly over the film, are nearly equal.

    [decided] Frames are nearly equal if the mean change between neighbours is at most two grey
    levels of 256 in every tile (a twelfth of width and height). So a moving mouth in a still scene
    counts as a change.
    """
    if not info.has_film or not info.duration:
        return ()
    times = frame_times(0, info.duration, _LOOKS)
    frames = (
        frame.pixels.astype(np.float32).mean(-1)
        for frame in read_frames(recording, times, height=_HEIGHT)
    )
    try:  # usually the first two frames differ, and no more are read
        changed = any(_is_change(before, after) for before, after in pairwise(frames))
    except MediaError:  # a damaged end; reported as the reason for absent faces
        return ()
    return () if changed else (_REMARK,)


def _is_change(before: NDArray[np.float32], after: NDArray[np.float32]) -> bool:
    """Whether any tile changes by more than compression would. Shape: [H, W] each."""
    return any(part.mean() > _CHANGE for part in _tiles(np.abs(after - before)))


def _tiles(change: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Split a picture into 12 x 12 tiles; fewer if it is tiny. Shape: [H, W] -> [h, w] each."""
    rows = np.array_split(change, min(12, change.shape[0]), axis=0)
    return [part for row in rows for part in np.array_split(row, min(12, row.shape[1]), axis=1)]
