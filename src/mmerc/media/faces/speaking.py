"""Active speaker detection: choose among several faces.

For films, odds come from ``mmerc.media.faces.lip_sync``. For live pictures, whose rate may be
lower, they come from simultaneous changes of mouth and sound.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import Frame
from mmerc.media.faces.tracks import Track

Choice = Literal["speaking", "largest", "all"]

SPEAKING_RULE = "lip sync"
"""Version of the choice of speaking faces, for fingerprints; earlier versions have none."""

LOOKS_PER_SECOND = 25
"""Rate of comparing mouth and sound; changes within 0.1 s distinguish faces."""

FACE_SIZE = 96
LIPS = (slice(66, 86), slice(36, 60))  # rows and columns between the lips of an aligned face
_FEWEST_CHANGES = 10
_EVIDENCE = 0.2  # log odds per change, at a correlation of 1
_QUIET = 0.001  # share of the maximum energy; below it is silence


def choose(
    tracks: Sequence[Track],
    *,
    log_odds: Sequence[float] | None = None,
    mode: Choice = "speaking",
) -> list[Track]:
    """Choose the track to use, or all tracks by descending weight; empty without tracks.

    A track's weight is its face size times its number of frames. "largest" takes the track with the
    largest weight. "speaking" first multiplies the weight by the odds that this mouth produces the
    sound, if known. "all" keeps all.
    """
    weights = np.array([track.side * len(track.faces) for track in tracks])
    if mode == "speaking" and log_odds is not None:
        weights = np.log(weights) + np.array(log_odds)
    order = np.argsort(-weights, kind="stable")
    return [tracks[i] for i in (order if mode == "all" else order[:1])]


def weigh_agreement(agreement: NDArray[np.float64]) -> float:
    """Return the log odds that a mouth produces a sound: 0.2 x the sum of ``mouth_agreement``.

    [decided] From six people's mean agreement: 0.2 with their own sound, 0 with other people's.
    """
    return float(_EVIDENCE * agreement.sum())


def interpolate_landmarks(
    track: Track, seen: Sequence[float], times: Sequence[float]
) -> NDArray[np.float64]:
    """Interpolate landmarks at ``times``; NaN if not visible. Shape: -> [times, 5, 2]."""
    at = [seen[i] for i in track.faces]
    points = np.stack([face.landmarks for face in track.faces.values()])
    return np.apply_along_axis(
        lambda values: np.interp(times, at, values, left=np.nan, right=np.nan), 0, points
    )


def measure_opening(frame: Frame, landmarks: NDArray[np.float64]) -> float:
    """Measure the openness of a mouth in a frame; NaN if the face is not visible."""
    if np.isnan(landmarks).any():
        return float("nan")
    face = align_face(frame, landmarks, size=FACE_SIZE).astype(np.float64)
    return float(face.mean() - face[LIPS].mean())


def mouth_agreement(
    openings: NDArray[np.floating], energy: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Measure the agreement of mouth changes with sound changes, for each change.

    The sum is the correlation (-1..1) of |openings[t + 1] - openings[t]| and |log energy[t + 1] -
    log energy[t]|, times the number of changes. Empty if undefined: fewer than ten changes, or a
    constant mouth or sound.

    Shape: openings (NaN if not visible) and energy [F] -> [changes].
    """
    loudness = np.log(energy + _QUIET * energy.max(initial=0.0) + np.finfo(np.float64).tiny)
    mouth, sound = np.abs(np.diff(openings)), np.abs(np.diff(loudness))
    visible = np.isfinite(mouth)
    mouth, sound = mouth[visible], sound[visible]
    if len(mouth) < _FEWEST_CHANGES or np.ptp(mouth) == 0 or np.ptp(sound) == 0:
        return np.zeros(0)
    agreement: NDArray[np.float64] = _standardise(mouth) * _standardise(sound)
    return agreement


def _standardise(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale values to mean 0 and deviation 1."""
    standardised: NDArray[np.float64] = (values - values.mean()) / values.std()
    return standardised


def sound_energy(
    samples: NDArray[np.floating], *, rate: int, times: Sequence[float], window: float = 0.04
) -> NDArray[np.float64]:
    """Compute the RMS of the sound around each frame; 0 outside the sound.

    Shape: samples [T] (one channel, ``rate`` a second), times in seconds from the first sample ->
    [len(times)]. ``window`` in seconds.
    """
    squares = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    edges = np.asarray(times, dtype=np.float64)[:, None] + np.array([-window / 2, window / 2])
    start, end = np.clip(np.rint(edges * rate), 0, len(samples)).astype(np.int64).T
    means: NDArray[np.float64] = (squares[end] - squares[start]) / np.maximum(end - start, 1)
    return np.sqrt(means)
