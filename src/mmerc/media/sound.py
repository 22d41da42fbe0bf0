"""Read the sound of any file as samples at 16 kHz, aligned with the file's time."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from mmerc.media.channel_mix import PLAIN, ChannelMix, choose_mix
from mmerc.media.container import Reason, sound_stream
from mmerc.media.resampling import SAMPLE_RATE, Resampler, Samples
from mmerc.media.segment import Clip
from mmerc.media.stream_frames import TimedFrame, opened_at

# Containers with a time stamp per packet may have gaps and rounded stamps. In others, time is
# counted by samples, and a gap means damage.
STAMPED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "flv", "asf", "avi")
_WAVERING = 0.05  # seconds; largest jitter of time stamps
_COUNTED = 0.002  # seconds; largest rounding error of counted time
_MOST_CHANNELS = 64  # supported by FFmpeg
_STEP_BACK = 1.0  # seconds; larger backward jumps of time stamps are invalid
_LONGEST_GAP = 3600 * SAMPLE_RATE  # samples; larger forward jumps are invalid


def read_sound(path: Path, *, start: float | None = None, end: float | None = None) -> Samples:
    """Read the sound between ``start`` and ``end`` (seconds; None: start or end of the file).

    Shape: -> float32 [samples], mono, 16 kHz, between -1 and 1; sample i is at time
    ``start + i / 16000``. Gaps of the track and a late start are silence. If the track ends before
    ``end``, so do the samples. Only this part is decoded.

    MediaError if the part has no samples or is damaged.
    """
    first = round((start or 0.0) * SAMPLE_RATE)
    stop = sys.maxsize if end is None else round(end * SAMPLE_RATE)
    if stop <= first:
        raise Reason.TOO_SHORT.at(path)
    timeline, reached = Timeline(path, first=first, stop=stop), 0
    with opened_at(path, sound_stream, time=first / SAMPLE_RATE) as (stream, timed_frames):
        gaps = stream.container.format.name in STAMPED
        for index, samples in pieces(path, timed_frames, start=first / SAMPLE_RATE, gaps=gaps):
            timeline.place(index, samples)
            reached = index + len(samples)
            if reached >= stop:
                break
    if not timeline.heard:
        raise (Reason.PAST_SOUND if 0 < reached <= first else Reason.TOO_SHORT).at(path)
    return np.concatenate(timeline.parts)


def read_clip(clip: Clip) -> Samples:
    """Read the sound of a clip with ``read_sound``, and add its noise."""
    samples = read_sound(clip.path, start=clip.start, end=clip.end)
    return samples if clip.noise is None else clip.noise.added_to(samples)


class Timeline:
    """Samples from index ``first`` up to ``stop``; silence if not filled."""

    def __init__(self, path: Path, *, first: int, stop: int) -> None:
        self.path = path
        self.filled = first
        self.stop = stop
        self.parts: list[Samples] = []
        self.heard = False

    def place(self, index: int, samples: Samples) -> None:
        """Write ``samples`` from ``index`` on, except into filled parts or beyond the stop."""
        gap = min(index, self.stop) - self.filled
        if gap > _LONGEST_GAP:
            raise Reason.NOT_MEDIA.at(self.path)
        if gap > 0:
            self.add(np.zeros(gap, np.float32))
        inside = samples[max(self.filled - index, 0) : max(self.stop - index, 0)]
        self.heard = self.heard or len(inside) > 0
        self.add(inside)

    def add(self, samples: Samples) -> None:
        self.parts.append(samples)
        self.filled += len(samples)


def pieces(
    path: Path,
    timed_frames: Iterator[TimedFrame],
    *,
    start: float,
    gaps: bool,
    mix: ChannelMix | None = None,
) -> Iterator[tuple[int, Samples]]:
    """Yield pieces of sound at 16 kHz, with their index from second 0.

    ``mix``: how channels are mixed; None: as ``choose_mix`` says.

    MediaError if sound continues after a hole later than ``start``: an undecodable packet or,
    unless ``gaps`` are allowed, missing samples.
    """
    resampler: Resampler | None = None
    end, hole = 0.0, False
    for timed in timed_frames:
        frame = timed.frame if isinstance(timed.frame, AudioFrame) else None
        leap = not timed.join and abs(timed.time - end) > (_WAVERING if gaps else _COUNTED)
        leap = leap and resampler is not None
        broken = frame is None or leap or timed.join
        if resampler is not None and (frame is None or broken or not resampler.takes(frame)):
            yield resampler.feed(None)
            if timed.time < end - _STEP_BACK:
                raise Reason.NOT_MEDIA.at(path)
            resampler = None
        end = timed.end
        lost = (frame is None and not timed.join) or (leap and not gaps)
        hole = hole or (lost and end >= start)
        if frame is None:
            continue
        if hole:
            raise Reason.NOT_MEDIA.at(path)
        try:
            if resampler is None:
                several = frame.layout.nb_channels > 1
                chosen = (mix or choose_mix(path)) if several else PLAIN
                resampler = Resampler(frame, time=timed.time, mix=chosen)
            yield resampler.feed(frame)
        except av.FFmpegError as error:
            many = frame.layout.nb_channels > _MOST_CHANNELS
            raise (Reason.MANY_CHANNELS if many else Reason.NOT_MEDIA).at(path) from error
    if resampler is not None:
        yield resampler.feed(None)
