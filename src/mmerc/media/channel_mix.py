"""Mix the channels of a recording to mono: FFmpeg's downmix if it works, else our own.

A downmix adds channels. If one is the inverse of another (due to a wrong cable or plug-in), they
cancel out. For many unnamed channels FFmpeg has no downmix at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame
from numpy.typing import NDArray

from mmerc.media.container import open_media, sound_stream
from mmerc.media.segment import MediaError
from mmerc.media.stream_frames import MICROSECONDS, opened_at

_PROBES, _PROBE_SECONDS = 8, 4.0  # number and duration of the parts for judging channels
_CANCELLED = 0.1  # share of the loudest channel's power; unrelated channels keep half
_ALIKE = 0.999  # share of power; among channels equal up to rounding, the first is used
_LOW = ("LFE", "LFE2")  # effects channels, too low for speech
_FULL_SCALE = 2.0**31


@dataclass(frozen=True, slots=True)
class ChannelMix:
    """One ``channel``, or the mean of all channels times ``gain``, or FFmpeg's downmix."""

    channel: int | None = None
    gain: float | None = None

    @property
    def is_plain(self) -> bool:
        """Whether FFmpeg's downmix is used unchanged."""
        return self.channel is None and self.gain is None

    def apply(self, frame: AudioFrame) -> AudioFrame:
        """Mix a frame to one channel of 32-bit samples; not for plain mixes."""
        channels = to_channels(frame)
        mono = channels.mean(0) * (self.gain or 1.0)
        if self.channel is not None and self.channel < len(channels):
            mono = channels[self.channel]
        whole = np.clip(mono * _FULL_SCALE, -_FULL_SCALE, _FULL_SCALE - 1).astype(np.int32)
        mixed = AudioFrame.from_ndarray(whole[None], format="s32", layout="mono")
        mixed.sample_rate = frame.sample_rate
        return mixed


PLAIN = ChannelMix()


def choose_mix(path: Path) -> ChannelMix:
    """Choose the mix for a recording, from eight parts of four seconds spread over it.

    **[decided]** The loudest channel, if the downmix keeps less than a tenth of its power (with
    more than two channels, (2 / channels)^2 of that). The mean, scaled to the loudest channel, if
    FFmpeg has no downmix for that many channels. Otherwise FFmpeg's downmix.
    """
    try:
        status = path.stat()
    except OSError:
        return PLAIN
    return _choose_mix(path, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _choose_mix(path: Path, size: int, changed: int) -> ChannelMix:
    """Cached ``choose_mix``, for a file of this size and modification time."""
    powers: NDArray[np.float64] | None = None
    mixed, mixable = 0.0, True
    for frame in probe_frames(path):
        channels, mono = to_channels(frame), _downmix(frame)
        powers = np.zeros(len(channels)) if powers is None else powers
        if len(channels) == len(powers):
            mixable = mixable and mono is not None
            powers += np.square(channels).sum(1) * [
                c.name not in _LOW for c in frame.layout.channels
            ]
            mixed += float(np.square(channels.mean(0) if mono is None else mono).sum())
    if powers is None or not powers.any():
        return PLAIN
    count, loudest = len(powers), float(powers.max())
    single = (2 / count) ** 2 if mixable else (1 / count) ** 2
    if mixed < _CANCELLED * single * loudest:
        return ChannelMix(channel=int(np.argmax(powers > _ALIKE * loudest)))
    return PLAIN if mixable else ChannelMix(gain=float(np.sqrt(loudest / mixed)))


def probe_frames(path: Path) -> Iterator[AudioFrame]:
    """Yield the frames for judging a multichannel recording, up to any damage."""
    try:
        with open_media(path) as container:
            seconds = (container.duration or 0) / MICROSECONDS
            if sound_stream(container, path).layout.nb_channels < 2:
                return
        whole = seconds <= _PROBES * _PROBE_SECONDS
        starts = [0.0] if whole else [seconds * part / _PROBES for part in range(_PROBES)]
        length = _PROBES * _PROBE_SECONDS if whole else _PROBE_SECONDS
        for start in starts:
            with opened_at(path, sound_stream, time=start) as (_, frames):
                for timed in frames:
                    if timed.time >= start + length:
                        break
                    if isinstance(timed.frame, AudioFrame) and timed.end > start:
                        yield timed.frame
    except (MediaError, av.FFmpegError):
        return


def to_channels(frame: AudioFrame) -> NDArray[np.float64]:
    """Shape: -> float64 [channels, samples] between -1 and 1.

    av.FFmpegError for more than 64 channels.
    """
    # Interleaved, because with more than eight planar channels PyAV reads out of bounds.
    packed = av.AudioResampler(format="flt", layout=frame.layout, rate=frame.sample_rate)
    rows = [piece.to_ndarray()[0] for piece in packed.resample(frame) if piece is not None]
    samples = np.concatenate(rows) if rows else np.zeros(0, np.float32)
    return samples.reshape(-1, frame.layout.nb_channels).T.astype(np.float64)


def _downmix(frame: AudioFrame) -> NDArray[np.float64] | None:
    """Return FFmpeg's downmix, between -1 and 1; None if it has none for that many channels."""
    try:
        mono = av.AudioResampler(format="s32", layout="mono", rate=frame.sample_rate)
        rows = [piece.to_ndarray()[0] for piece in mono.resample(frame) if piece is not None]
    except av.FFmpegError:
        return None
    return np.concatenate([np.zeros(0), *rows]) / _FULL_SCALE
