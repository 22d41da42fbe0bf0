"""Sound of any file as samples at 16 kHz, placed on the file's time line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
from av.audio.frame import AudioFrame

from mmerc.media.channel_mix import PLAIN, choose_mix
from mmerc.media.container import Reason, sound_stream
from mmerc.media.resampling import SAMPLE_RATE, Resampler, Samples
from mmerc.media.segment import Clip
from mmerc.media.stream_frames import TimedFrame, opened_at

# Containers with a time stamp on every packet may have gaps, and round the stamps. Elsewhere time
# is counted by the samples, and a gap is damage.
STAMPED = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "mpeg", "flv", "asf", "avi")
_WAVERING = 0.05  # seconds: time stamps waver by less
_COUNTED = 0.002  # seconds: counted time does not, but for rounding
_MOST_CHANNELS = 64  # that FFmpeg converts
_STEP_BACK = 1.0  # seconds: time stamps that fall back further are nonsense
_LONGEST_GAP = 3600 * SAMPLE_RATE  # samples: so is a greater leap ahead


def read_sound(path: Path, *, start: float | None = None, end: float | None = None) -> Samples:
    """Read the sound between ``start`` and ``end`` (seconds; None for the file's own).

    Shape: -> float32 [samples], mono, 16 kHz, between -1 and 1; sample i sounds at
    ``start + i / 16000``. Gaps of the track, its late beginning too, are silence; where the track
    ends before ``end``, so do the samples. Only that part is decoded.

    Raises MediaError where there is no sample in that part or where it is damaged.
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
    """The sound of a clip as ``read_sound`` reads it, with the clip's noise."""
    samples = read_sound(clip.path, start=clip.start, end=clip.end)
    return samples if clip.noise is None else clip.noise.added_to(samples)


class Timeline:
    """Samples from index ``first`` up to ``stop``, with silence where none are placed."""

    def __init__(self, path: Path, *, first: int, stop: int) -> None:
        self.path = path
        self.filled = first
        self.stop = stop
        self.parts: list[Samples] = []
        self.heard = False

    def place(self, index: int, samples: Samples) -> None:
        """Add ``samples`` from ``index`` on, except what is filled or beyond the stop."""
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
    path: Path, timed_frames: Iterator[TimedFrame], *, start: float, gaps: bool
) -> Iterator[tuple[int, Samples]]:
    """Sound at 16 kHz piece by piece, each with its index from second 0.

    Raises MediaError where sound continues after a hole behind ``start``: a packet that cannot be
    decoded or, where there are no ``gaps``, samples that are missing.
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
                mix = choose_mix(path) if frame.layout.nb_channels > 1 else PLAIN
                resampler = Resampler(frame, time=timed.time, mix=mix)
            yield resampler.feed(frame)
        except av.FFmpegError as error:
            many = frame.layout.nb_channels > _MOST_CHANNELS
            raise (Reason.MANY_CHANNELS if many else Reason.NOT_MEDIA).at(path) from error
    if resampler is not None:
        yield resampler.feed(None)
