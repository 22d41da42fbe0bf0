"""Whose face belongs to the voice: the choice between several faces.

In films, odds come from ``mmerc.media.faces.lip_sync``; of fed pictures, whose rate may be lower,
from changes of mouth and sound in the same moment.
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
"""How films' speaking faces are chosen, for fingerprints; earlier versions have no such mark."""

LOOKS_PER_SECOND = 25
"""How often mouth and sound are compared; changes within 0.1 s are what tells faces apart."""

FACE_SIZE = 96
LIPS = (slice(66, 86), slice(36, 60))  # rows and columns of an aligned face: between the lips
_FEWEST_CHANGES = 10
_EVIDENCE = 0.2  # log odds per change, at a correlation of 1
_QUIET = 0.001  # of the loudest moment: what is quieter is silence


def choose(
    tracks: Sequence[Track],
    *,
    log_odds: Sequence[float] | None = None,
    mode: Choice = "speaking",
) -> list[Track]:
    """The track that counts, or all of them, the heaviest first; none makes an empty list.

    A track weighs as much as its face is large, times how many frames show it. "largest" takes the
    heaviest. "speaking" first multiplies the weight by the odds that this mouth makes the sound,
    where they are known. "all" keeps all.
    """
    weights = np.array([track.side * len(track.faces) for track in tracks])
    if mode == "speaking" and log_odds is not None:
        weights = np.log(weights) + np.array(log_odds)
    order = np.argsort(-weights, kind="stable")
    return [tracks[i] for i in (order if mode == "all" else order[:1])]


def weigh_agreement(agreement: NDArray[np.float64]) -> float:
    """Log odds that a mouth makes a sound: 0.2 x the sum of ``mouth_agreement``.

    [decided] From six people's mean agreement of 0.2 with their own sound and 0 with others'.
    """
    return float(_EVIDENCE * agreement.sum())


def interpolate_landmarks(
    track: Track, seen: Sequence[float], times: Sequence[float]
) -> NDArray[np.float64]:
    """A face's landmarks at ``times``; NaN where it is not visible. Shape: -> [times, 5, 2]."""
    at = [seen[i] for i in track.faces]
    points = np.stack([face.landmarks for face in track.faces.values()])
    return np.apply_along_axis(
        lambda values: np.interp(times, at, values, left=np.nan, right=np.nan), 0, points
    )


def measure_opening(frame: Frame, landmarks: NDArray[np.float64]) -> float:
    """How open a mouth is in one frame; NaN where the face is not visible."""
    if np.isnan(landmarks).any():
        return float("nan")
    face = align_face(frame, landmarks, size=FACE_SIZE).astype(np.float64)
    return float(face.mean() - face[LIPS].mean())


def mouth_agreement(
    openings: NDArray[np.floating], energy: NDArray[np.floating]
) -> NDArray[np.float64]:
    """How well changes of a mouth go with changes of the sound, change by change.

    The sum is the correlation (-1..1) of |openings[t + 1] - openings[t]| and |log energy[t + 1] -
    log energy[t]|, times the number of changes; empty if there are fewer than ten, or if mouth or
    sound never changes: then nothing can be said.

    Shape: openings (NaN where not visible) and energy [F] -> [changes].
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
    """Values with mean 0 and deviation 1."""
    standardised: NDArray[np.float64] = (values - values.mean()) / values.std()
    return standardised


def sound_energy(
    samples: NDArray[np.floating], *, rate: int, times: Sequence[float], window: float = 0.04
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
