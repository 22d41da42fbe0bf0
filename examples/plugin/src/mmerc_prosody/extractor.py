"""Loudness and pitch of an utterance as fourteen numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmerc.features.base import Absent
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.decode import SAMPLE_RATE, read_clip
from mmerc.media.segment import MediaError, Segment

WINDOW, STEP = 640, 320  # samples: 40 and 20 ms
LOWEST, HIGHEST = 60, 400  # Hz: the pitch of voices
VOICED = 0.5  # least autocorrelation at the pitch
FLOOR = 1e-5


class Prosody:
    """Mean, deviation and range of loudness and pitch, how much is voiced, and the length."""

    def __init__(self) -> None:
        self.spec = FeatureSpec(
            modality="audio",
            extractor="prosody",
            dim=14,
            settings={"window": WINDOW, "step": STEP, "version": 1},
        )

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [14]."""
        if segment.sound is None:
            return Absent("no sound file")
        try:
            samples = read_clip(segment.sound)  # float32 [samples], mono, 16 kHz
        except MediaError as error:
            return Absent(error.reason)
        if len(samples) < 2 * WINDOW:
            return Absent("sound shorter than 0.08 s")
        frames = np.lib.stride_tricks.sliding_window_view(samples, WINDOW)[::STEP]
        loudness = 20 * np.log10(np.sqrt((frames**2).mean(1)) + FLOOR)
        pitch = find_pitch(frames)
        voiced = pitch[pitch > 0]
        vector = [
            *statistics(loudness),
            *statistics(np.log2(voiced) if len(voiced) else np.zeros(1)),
            len(voiced) / len(pitch),
            np.log(len(samples) / SAMPLE_RATE),
        ]
        return np.asarray(vector, np.float32)


def statistics(values: NDArray[np.floating]) -> list[float]:
    """Mean, deviation, low, middle and high values, and the change from first to last half."""
    low, middle, high = np.percentile(values, [10, 50, 90])
    half = max(1, len(values) // 2)
    change = values[-half:].mean() - values[:half].mean()
    return [float(x) for x in (values.mean(), values.std(), low, middle, high, change)]


def find_pitch(frames: NDArray[np.floating]) -> NDArray[np.floating]:
    """Pitch of each frame in Hz by autocorrelation, 0 where it is not voiced.

    Shape: [F, 640] -> [F].
    """
    centred = frames - frames.mean(1, keepdims=True)
    spectrum = np.fft.rfft(centred, 2 * WINDOW, axis=1)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, axis=1)[:, :WINDOW]
    correlation /= correlation[:, :1] + FLOOR
    lags = np.arange(SAMPLE_RATE // HIGHEST, SAMPLE_RATE // LOWEST)
    best = correlation[:, lags].argmax(1)
    strength = correlation[np.arange(len(frames)), lags[best]]
    return np.where(strength > VOICED, SAMPLE_RATE / lags[best], 0.0)
