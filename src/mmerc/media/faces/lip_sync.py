"""Lip sync: compare a mouth's movement with the movement predicted from the sound.

A linear map from the sound's spectrum to four measures of a mouth was fitted on seven people
(benchmarks/whose_face_speaks.py). All mouths move more during speech, so the score is how much
better the two agree in sync than when shifted by 0.2 to 0.6 s, as in SyncNet's confidence (Chung
and Zisserman 2016).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from mmerc.errors import InputError
from mmerc.media.faces.alignment import align_face
from mmerc.media.faces.detector import Frame
from mmerc.media.faces.speaking import FACE_SIZE, LIPS, interpolate_landmarks
from mmerc.media.faces.tracks import Track
from mmerc.media.resampling import SAMPLE_RATE, Samples
from mmerc.media.speakers.filterbank import STEP_SAMPLES, WINDOW_SAMPLES, compute_filterbank

_Array = NDArray[np.float64]

LOOK_WIDTH = 81
_MOUTH, _CELLS, _CELL = (slice(60, 92), slice(28, 68)), (8, 10), 4  # in an aligned face
_QUIET = 0.01  # share of a band's mean energy; below it is silence
_BANDS, _STEPS_BESIDE, _CONTEXT = 20, 2, 1
_LAGS = range(5, 16)  # frames of 0.04 s
_FEWEST_CHANGES = 40
_STILL = 0.5  # grey levels between frames; less means a photograph, despite compression
_LEAST_DEVIATION = 0.05
_TINY = 1e-9


def describe_mouths(
    tracks: Sequence[Track],
    *,
    seen: Sequence[float],
    frames: Iterable[Frame],
    times: Sequence[float],
) -> _Array:
    """Describe every mouth in every frame: its openness, and 8 x 10 grey levels around it.

    ``seen``: times of the frames with detected ``tracks``; ``times``: times of ``frames``, in
    seconds. Landmarks are interpolated. NaN before a face appears and after it disappears.

    Shape: frames each [H, W, 3] uint8 -> [tracks, frames, 81].
    """
    landmarks = [interpolate_landmarks(track, seen, times) for track in tracks]
    looks = [
        [_describe_mouth(frame, points[number]) for points in landmarks]
        for number, (frame, _) in enumerate(zip(frames, times, strict=False))
    ]
    return np.array(looks).reshape(len(looks), len(tracks), LOOK_WIDTH).swapaxes(0, 1)


def _describe_mouth(frame: Frame, landmarks: _Array) -> _Array:
    """Shape: landmarks [5, 2] -> [81], NaN if the face is not visible."""
    if np.isnan(landmarks).any():
        return np.full(LOOK_WIDTH, np.nan)
    face = align_face(frame, landmarks, size=FACE_SIZE).astype(np.float64)
    cells = face[_MOUTH].reshape(_CELLS[0], _CELL, _CELLS[1], _CELL).mean((1, 3))
    return np.append(face.mean() - face[LIPS].mean(), cells)


def measure_sync(looks: _Array, prediction: _Array) -> float | None:
    """Measure how many standard deviations better mouth and sound agree in sync than shifted.

    For ten people, their own sound gave 1.5 to 3.0, other people's rarely above 1. None if the
    mouth is visible for less than 1.6 s or never moves.

    Shape: looks [F, 81] (NaN if not visible), prediction [F - 1, 4] (``predict_mouth``).
    """
    visible = np.flatnonzero(np.isfinite(looks[: len(prediction) + 1, 0]))
    if len(visible) <= _FEWEST_CHANGES:
        return None
    part = slice(visible[0], visible[-1] + 1)
    if np.abs(np.diff(looks[part, 1:], axis=0)).mean() < _STILL:
        return None
    mouth, sound = measure_mouth(looks[part]), prediction[part.start : part.stop - 1]
    shifted = [_correlate(mouth, sound, sign * lag) for lag in _LAGS for sign in (1, -1)]
    deviation = float(np.std(shifted)) + _LEAST_DEVIATION
    return (_correlate(mouth, sound, 0) - float(np.mean(shifted))) / deviation


def weigh_sync(sync: float | None) -> float:
    """Return the log odds that a mouth produces a sound; 0 if ``measure_sync`` is None.

    [decided] Twice the excess over one: about the log odds under normal distributions for own
    (2.1 +- 0.6) and other people's sounds (0.2 +- 0.7), rounded down.
    """
    return 0.0 if sync is None else 2 * (sync - 1)


def _correlate(mouth: _Array, sound: _Array, lag: int) -> float:
    """Return the mean correlation of the four measures for a mouth ``lag`` frames late."""
    count = len(mouth)
    late = mouth[lag:] if lag >= 0 else mouth[: count + lag]
    early = sound[: count - lag] if lag >= 0 else sound[-lag:]
    return float((_standardise(late) * _standardise(early)).mean())


def measure_mouth(looks: _Array) -> _Array:
    """Measure the change of openness, the openness and the movement of a mouth between frames.

    Shape: [F, 81] -> [F - 1, 4], each measure with mean 0 and deviation 1.
    """
    opening, motion = np.diff(looks[:, 0]), np.abs(np.diff(looks[:, 1:], axis=0)).mean(1)
    return _standardise(np.stack([np.abs(opening), looks[1:, 0], motion, opening], axis=1))


def predict_mouth(samples: Samples, times: Sequence[float]) -> _Array | None:
    """Predict the four measures of a mouth from the sound; None for less than 25 ms.

    Shape: samples [T] at 16 kHz, times [F] in seconds from the first sample -> [F - 1, 4].
    """
    if len(samples) < WINDOW_SAMPLES:
        return None
    prediction: _Array = describe_sound(samples, times) @ _load_weights()
    return prediction


def describe_sound(samples: Samples, times: Sequence[float]) -> _Array:
    """Compute loudness and its change, in 20 bands and overall, over three successive frames.

    Shape: samples [T] at 16 kHz, times [F] -> [F - 1, 126].
    """
    energies = compute_filterbank(torch.from_numpy(samples)).numpy().astype(np.float64)
    steps = np.rint(np.asarray(times) * SAMPLE_RATE / STEP_SAMPLES).astype(np.intp)[:, None]
    steps = (steps + np.arange(-_STEPS_BESIDE, _STEPS_BESIDE + 1)).clip(0, len(energies) - 1)
    floor = np.log(np.exp(energies).mean(0) * _QUIET + np.finfo(np.float64).tiny)
    bands = np.logaddexp(energies[steps].mean(1), floor)
    bands = bands.reshape(len(bands), _BANDS, -1).mean(2)
    loudness = np.log(np.exp(bands).sum(1, keepdims=True))
    parts = [bands, np.abs(np.diff(bands, axis=0)), loudness, np.abs(np.diff(loudness, axis=0))]
    sound = np.concatenate([_standardise(part)[-len(bands) + 1 :] for part in parts], axis=1)
    padded = np.pad(sound, ((_CONTEXT, _CONTEXT), (0, 0)), mode="edge")
    windows = [padded[i : i + len(sound)] for i in range(2 * _CONTEXT + 1)]
    return np.concatenate(windows, axis=1)


def _standardise(values: _Array) -> _Array:
    """Scale columns to mean 0 and deviation 1; constant columns become 0."""
    standardised: _Array = (values - values.mean(0)) / (values.std(0) + _TINY)
    return standardised


@cache
def _load_weights() -> _Array:
    """Load the fitted map. Shape: -> [126, 4]."""
    path = Path(__file__).with_name("lip_sync.safetensors")
    try:
        return load_file(path)["weight"].astype(np.float64)
    except (OSError, SafetensorError, KeyError) as error:
        raise InputError(path, "cannot be read", "reinstall mmerc") from error
