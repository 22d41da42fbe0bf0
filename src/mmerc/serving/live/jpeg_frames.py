"""JPEG pictures from a camera, with their size checked before decoding."""

from __future__ import annotations

import av
import numpy as np
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from numpy.typing import NDArray

from mmerc.serving.live.refusal import RefusedError

LARGEST_PICTURE = 300_000  # bytes
MOST_PIXELS = 1280 * 720
_START = b"\xff\xd8\xff"
_END_OF_HEADERS = 0xDA  # start of scan
_NO_LENGTH = {0x01, *range(0xD0, 0xD9)}  # markers without a segment
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # without tables and extensions
_FIX = "send baseline JPEG of at most 1280 x 720 pixels and 300,000 bytes"


def decode_jpeg(data: bytes) -> NDArray[np.uint8]:
    """Decode a picture, [height, width, 3] in RGB; RefusedError if too large or damaged."""
    if len(data) > LARGEST_PICTURE:
        raise _refusal(f"has {len(data)} bytes")
    size = _read_size(data)
    if size is None:
        raise _refusal("is not JPEG")
    if not 0 < size[0] * size[1] <= MOST_PIXELS:
        raise _refusal(f"has {size[0]} x {size[1]} pixels")
    codec = VideoCodecContext.create("mjpeg", "r")
    try:
        frames = [*codec.decode(Packet(data)), *codec.decode(None)]
    except av.FFmpegError as error:
        raise _refusal("is damaged") from error
    if not frames:
        raise _refusal("is damaged")
    return frames[0].to_ndarray(format="rgb24").astype(np.uint8, copy=False)


def _read_size(data: bytes) -> tuple[int, int] | None:
    """Read width and height from the frame header (ITU-T T.81, B.2.2); None if missing."""
    if not data.startswith(_START):
        return None
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker in _FRAME_HEADERS:
            height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return int.from_bytes(width), int.from_bytes(height)
        if marker == _END_OF_HEADERS:
            return None
        length = int.from_bytes(data[place + 2 : place + 4])
        place += 1 if marker == 0xFF else 2 if marker in _NO_LENGTH else 2 + length
    return None


def _refusal(problem: str) -> RefusedError:
    return RefusedError("picture", f"A picture {problem}; {_FIX}.", fatal=False)
