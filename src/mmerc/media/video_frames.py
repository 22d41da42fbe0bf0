"""Decoded frames of a film, upright and in square pixels."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter
from av.video.stream import VideoStream

from mmerc.media.container import LARGEST_SIDE, Reason
from mmerc.media.pictures import Pixels, display_of


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
        """Size of the decoded frame in bytes."""
        return sum(plane.buffer_size for plane in self.decoded.planes)


def frame_times(start: float, end: float, count: int) -> list[float]:
    """Return the centres of ``count`` equal parts between ``start`` and ``end`` (seconds)."""
    return [start + (end - start) * (i + 0.5) / count for i in range(count)]


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
