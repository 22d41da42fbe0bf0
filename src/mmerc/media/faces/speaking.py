"""Whose face belongs to the voice, by a rule of thumb.

How often the rule picks the person who really speaks **is not measured**: no film with known
speakers was at hand. Where the speaker is known, say so (which half of the picture, say) instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import Frame
from mmerc.media.faces.tracks import Track

Choice = Literal["speaking", "largest", "all"]

_SIZE = 48
_MOUTH = (slice(31, 47), slice(12, 36))  # rows and columns of an aligned face: lips and chin
_FEWEST_CHANGES = 3


def choose(
    tracks: Sequence[Track],
    *,
    frames: Sequence[Frame],
    energy: NDArray[np.floating] | None = None,
    mode: Choice = "speaking",
) -> list[Track]:
    """The track that counts, or all of them, the heaviest first; none makes an empty list.

    A track weighs as much as its face is large, times the share of ``frames`` that show it.
    "largest" takes the heaviest. "speaking" first multiplies the weight by 1 + the correlation of
    mouth and voice (``_agreement``), if there is an ``energy``. "all" keeps all.
    The accuracy of choosing the speaker is not measured.

    Shape: frames each [H, W, 3] uint8, energy [len(frames)] (``sound_energy``).
    """
    weights = [track.side * len(track.faces) for track in tracks]
    if mode == "speaking" and energy is not None:
        weights = [
            weight * (1 + _agreement(track, frames, energy))
            for weight, track in zip(weights, tracks, strict=True)
        ]
    order = sorted(range(len(tracks)), key=lambda i: -weights[i])
    return [tracks[i] for i in (order if mode == "all" else order[:1])]


def _agreement(track: Track, frames: Sequence[Frame], energy: NDArray[np.floating]) -> float:
    """Correlation of how much the mouth changes with how loud it is meanwhile, in -1..1.

    Shape: frames each [H, W, 3] uint8, energy [len(frames)]. 0 where a track has fewer than four
    faces, or where mouth or sound never changes: then nothing can be said.
    """
    motion = _mouth_motion(track, frames)
    loudness = np.array([energy[[i, j]].mean() for i, j in pairwise(track.faces)])
    if len(motion) < _FEWEST_CHANGES or np.ptp(motion) == 0 or np.ptp(loudness) == 0:
        return 0.0
    return float(np.corrcoef(motion, loudness)[0, 1])


def _mouth_motion(track: Track, frames: Sequence[Frame]) -> NDArray[np.float64]:
    """How much the mouth changes from each face of a track to the next.

    Shape: frames each [H, W, 3] uint8 -> [faces - 1], the mean difference of grey levels in the
    aligned mouth, its brightness as a whole put aside.
    """
    mouths = [
        align_face(frames[i], face.landmarks, size=_SIZE)[_MOUTH].astype(np.float64)
        for i, face in track.faces.items()
    ]
    changes = [(after - before) for before, after in pairwise(mouths)]
    return np.array([np.abs(change - change.mean()).mean() for change in changes])


def sound_energy(
    samples: NDArray[np.floating], *, rate: int, times: Sequence[float], window: float = 0.1
) -> NDArray[np.float64]:
    """Root mean square of the sound around each frame; 0 outside of the sound.

    Shape: samples [T] (one channel, ``rate`` a second), times in seconds from the first sample ->
    [len(times)]. ``window`` in seconds.
    """
    squares = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    edges = np.asarray(times, dtype=np.float64)[:, None] + np.array([-window / 2, window / 2])
    start, end = np.clip(np.rint(edges * rate), 0, len(samples)).astype(np.int64).T
    means: NDArray[np.float64] = (squares[end] - squares[start]) / np.maximum(end - start, 1)
    return np.sqrt(means)
