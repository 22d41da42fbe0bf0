"""Read upright frames of a film at given times."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from mmerc.media.container import LARGEST_SIDE, Reason, film_stream
from mmerc.media.pictures import Pixels, display_of
from mmerc.media.stream_frames import TimedFrame, opened_at

_FORWARD = 5.0  # seconds; up to this distance, decoding is cheaper than seeking
_ROUNDING = 1e-6  # seconds; tolerance between times and time stamps


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The decoded picture at ``time`` (seconds), converted when its pixels are read.

    ``size``: width and height in square pixels, as stored.
    """

    time: float
    size: tuple[int, int]
    decoded: VideoFrame
    convert: Converter

    @property
    def pixels(self) -> Pixels:
        """Shape: uint8 [H, W, 3], RGB."""
        return self.convert(self.decoded, self.size)

    @property
    def memory(self) -> int:
        """Bytes that the decoded frame holds."""
        return sum(plane.buffer_size for plane in self.decoded.planes)


def frame_times(start: float, end: float, count: int) -> list[float]:
    """Return the centres of ``count`` equal parts between ``start`` and ``end`` (seconds)."""
    return [start + (end - start) * (i + 0.5) / count for i in range(count)]


def read_frames(
    path: Path, times: Sequence[float], *, height: int | None = None
) -> Iterator[Frame]:
    """Read the frame shown at each of ``times`` (ascending, seconds).

    It is the last frame that starts at or before the time, else the first frame. Frames are turned
    upright, have square pixels, and are scaled down to ``height`` if higher. Only a few frames are
    in memory at a time.

    MediaError for a time past the end or in a damaged part; ValueError if times are not ascending
    or not finite.
    """
    if not all(map(math.isfinite, times)) or any(a > b for a, b in pairwise(times)):
        raise ValueError("times of frames must be finite and ascend")
    for group in _groups(times):
        with opened_at(path, film_stream, time=group[0]) as (stream, timed_frames):
            convert = Converter(height=height)
            for time, frame in zip(group, _on_screen(path, timed_frames, group), strict=True):
                size = square_size(frame, stream, path)
                yield Frame(time=time, size=size, decoded=frame, convert=convert)


def _groups(times: Sequence[float]) -> Iterator[list[float]]:
    """Split ascending times at distances that are worth a seek."""
    group: list[float] = []
    for time in times:
        if group and time - group[-1] > _FORWARD:
            yield group
            group = []
        group.append(time)
    if group:
        yield group


def _on_screen(
    path: Path, timed_frames: Iterator[TimedFrame], times: list[float]
) -> Iterator[VideoFrame]:
    """Yield the frame shown at each time; MediaError past the end or for a missing frame."""
    current: VideoFrame | None = None
    began = ended = lost = -math.inf
    ahead = next(timed_frames, None)
    for time in times:
        while ahead is not None and (current is None or ahead.time <= time + _ROUNDING):
            if isinstance(ahead.frame, VideoFrame):
                current, began, ended = ahead.frame, ahead.time, ahead.end
            else:
                lost = max(lost, ahead.time)
            ahead = next(timed_frames, None)
        if current is None or began < lost <= time + _ROUNDING:
            raise Reason.NOT_MEDIA.at(path)
        if ahead is None and time >= ended:
            raise Reason.PAST_FILM.at(path)
        yield current


class Converter:
    """Converts decoded frames to upright RGB; caches the last frame."""

    def __init__(self, *, height: int | None) -> None:
        self.limit = math.inf if height is None else height
        self.reformatter = VideoReformatter()  # shared, because each new one allocates memory
        self.last: tuple[VideoFrame, Pixels] | None = None

    def __call__(self, frame: VideoFrame, size: tuple[int, int]) -> Pixels:
        """Convert a frame of this size in square pixels. Shape: -> uint8 [H, W, 3]."""
        if self.last is None or self.last[0] is not frame:
            self.last = frame, self.convert(frame, *size)
        return self.last[1]

    def convert(self, frame: VideoFrame, width: int, height: int) -> Pixels:
        display = display_of(frame)
        scale = min(1.0, self.limit / (width if display.transposed else height))
        scaled = self.reformatter.reformat(
            frame,
            width=max(round(width * scale), 1),
            height=max(round(height * scale), 1),
            format="rgb24",
            interpolation="AREA",
            threads=1,  # each frame would start and await others, and workers use all cores
        )
        return display.apply(np.asarray(scaled.to_ndarray(), np.uint8))


def square_size(frame: VideoFrame, stream: VideoStream, path: Path) -> tuple[int, int]:
    """Return width and height in square pixels, before rotation; MediaError above 8192."""
    width = max(round(frame.width * (stream.sample_aspect_ratio or 1)), 1)
    if max(width, frame.height) > LARGEST_SIDE:
        raise Reason.TOO_LARGE.at(path)
    return width, frame.height
