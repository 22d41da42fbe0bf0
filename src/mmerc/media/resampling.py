"""Convert decoded sound to mono at 16 kHz, as a stream."""

from __future__ import annotations

import math

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from mmerc.media.channel_mix import PLAIN, ChannelMix

SAMPLE_RATE = 16_000
_FULL_SCALE = np.float32(2.0**31)

Samples = NDArray[np.float32]


class Resampler:
    """Resamples continuous sound of one format; ``mix`` reduces channels to one.

    It starts, with silence if necessary, at a sample common to both rates, so that a part read
    separately equals the same part of the whole.
    """

    def __init__(self, frame: AudioFrame, *, time: float, mix: ChannelMix = PLAIN) -> None:
        self.mix = mix
        rate = frame.sample_rate
        begin = round(time * rate)
        ahead = begin % (rate // math.gcd(rate, SAMPLE_RATE))
        self.sound = _sound_format(frame)
        # Integers: only for them does FFmpeg keep the mix of loud channels within full scale.
        self.mixer = av.AudioResampler(format="s32", layout="mono")
        self.resampler = av.AudioResampler(format="s32", layout="mono", rate=SAMPLE_RATE)
        early = self.resampler.resample(silence(ahead, rate)) if ahead else []
        out = sum(piece.samples for piece in early)
        self.index = (begin - ahead) * SAMPLE_RATE // rate + out
        self.skip = math.ceil(ahead * SAMPLE_RATE / rate) - out

    def takes(self, frame: AudioFrame) -> bool:
        """Whether ``frame`` has this resampler's format."""
        return _sound_format(frame) == self.sound

    def feed(self, frame: AudioFrame | None) -> tuple[int, Samples]:
        """Return index (from second 0) and samples completed by ``frame``; None ends the sound.

        av.FFmpegError for a channel layout that FFmpeg cannot mix.
        """
        mixed = [] if frame is None else self.to_mono(frame)
        pieces = [piece for mono in mixed for piece in self.resampler.resample(mono)]
        if frame is None:
            pieces = [piece for piece in self.resampler.resample(None) if piece is not None]
        arrays = [np.zeros(0, np.float32), *(_to_float(piece) for piece in pieces)]
        samples = np.concatenate(arrays)
        index, skip = self.index, min(self.skip, len(samples))
        self.index += len(samples)
        self.skip -= skip
        return index + skip, samples[skip:]

    def to_mono(self, frame: AudioFrame) -> list[AudioFrame]:
        """Mix a frame to one channel."""
        return self.mixer.resample(frame) if self.mix.is_plain else [self.mix.apply(frame)]


def _sound_format(frame: AudioFrame) -> tuple[str, str, int]:
    """Return the properties that must be constant for a resampler."""
    return frame.format.name, frame.layout.name, frame.sample_rate


def silence(length: int, rate: int) -> AudioFrame:
    """Return ``length`` samples of digital silence."""
    frame = AudioFrame.from_ndarray(np.zeros((1, length), np.int32), format="s32", layout="mono")
    frame.sample_rate = rate
    return frame


def _to_float(frame: AudioFrame) -> Samples:
    """Shape: -> float32 [samples] between -1 and 1."""
    return np.asarray(frame.to_ndarray()[0], np.float32) / _FULL_SCALE
