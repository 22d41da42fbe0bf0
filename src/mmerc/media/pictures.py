"""Single pictures: decode, turn upright, resize, convert to grey."""

from __future__ import annotations

from dataclasses import dataclass

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from mmerc.media.container import LARGEST_SIDE, LIMITS, Reason
from mmerc.media.segment import MediaError

Pixels = NDArray[np.uint8]

_DECODERS = {b"\xff\xd8\xff": "mjpeg", b"\x89PNG\r\n\x1a\n": "png"}
# Otherwise a truncated picture would be returned with a grey remainder.
_STRICT = {**LIMITS, "err_detect": "crccheck+explode"}
_MEND = f"give a complete JPEG or PNG of at most {LARGEST_SIDE} x {LARGEST_SIDE} pixels"
_LUMA = np.array((0.299, 0.587, 0.114), np.float32)  # ITU-R BT.601


def decode_picture(data: bytes) -> Pixels:
    """Decode a JPEG or PNG picture and apply its EXIF orientation.

    Shape: -> uint8 [H, W, 3] RGB.
    MediaError if it is neither, damaged, truncated or larger than 8192 x 8192 pixels.
    """
    name = next((_DECODERS[start] for start in _DECODERS if data.startswith(start)), None)
    decoder = None if name is None else av.CodecContext.create(name, "r")
    if not isinstance(decoder, VideoCodecContext):
        raise MediaError("picture", Reason.NOT_MEDIA.value, _MEND)
    decoder.options = _STRICT
    decoder.thread_count = 1  # threads are started per picture and kept until garbage collection
    try:
        frame, *_ = [*decoder.decode(av.Packet(data)), *decoder.decode(None)]
    except (av.FFmpegError, ValueError) as error:  # ValueError: no frame
        raise MediaError("picture", Reason.NOT_MEDIA.value, _MEND) from error
    if max(frame.width, frame.height) > LARGEST_SIDE:
        raise Reason.TOO_LARGE.at("picture")
    return display_of(frame).apply(np.asarray(frame.to_ndarray(format="rgb24"), np.uint8))


@dataclass(frozen=True, slots=True, kw_only=True)
class Display:
    """The display transform of stored pixels: first transpose, then flips."""

    transposed: bool = False
    rows_reversed: bool = False
    columns_reversed: bool = False

    def apply(self, pixels: Pixels) -> Pixels:
        """Shape: uint8 [H, W, 3] -> uint8 [H, W, 3], or [W, H, 3] if transposed."""
        if self.transposed:
            pixels = pixels.transpose(1, 0, 2)
        rows, columns = -1 if self.rows_reversed else 1, -1 if self.columns_reversed else 1
        return np.ascontiguousarray(pixels[::rows, ::columns])


def display_of(frame: VideoFrame) -> Display:
    """Read a frame's display matrix (x' = a x + c y, y' = b x + d y), rounded to quarter turns."""
    try:
        # Not frame.side_data: it refers to its frame, which then stays until garbage is collected.
        side_data = SideDataContainer(frame)  # type: ignore[call-arg]
        matrix = np.frombuffer(bytes(side_data["DISPLAYMATRIX"]), np.int32)
    except KeyError:
        return Display()
    except ValueError:  # PyAV 18 fails for unknown kinds such as EXIF
        quarters = round(frame.rotation / 90) % 4
        return Display(
            transposed=quarters in {1, 3},
            rows_reversed=quarters in {1, 2},
            columns_reversed=quarters in {2, 3},
        )
    a, b, c, d = (int(matrix[i]) for i in (0, 1, 3, 4))
    transposed = abs(b) > abs(a)
    return Display(
        transposed=transposed,
        rows_reversed=(b if transposed else d) < 0,
        columns_reversed=(c if transposed else a) < 0,
    )


def resize(pixels: Pixels, *, height: int, width: int) -> Pixels:
    """Resize a picture, with averaging.

    Shape: uint8 [H, W, 3] -> uint8 [height, width, 3].
    """
    frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
    scaled = frame.reformat(width=width, height=height, interpolation="AREA")
    return np.asarray(scaled.to_ndarray(), np.uint8)


def to_grey(pixels: Pixels) -> Pixels:
    """Shape: uint8 [H, W, 3] -> uint8 [H, W], the luma of ITU-R BT.601."""
    return np.asarray(np.rint(pixels @ _LUMA), np.uint8)
