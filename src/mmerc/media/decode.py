"""Decoding of media: what a file holds, its sound, its frames, single pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from av.container import InputContainer
from av.video.frame import VideoFrame

from mmerc.media.container import Reason, film_stream, first_film, has_decoder, open_media
from mmerc.media.pictures import decode_picture, display_of, resize, to_grey
from mmerc.media.resampling import SAMPLE_RATE
from mmerc.media.sound import read_clip, read_sound
from mmerc.media.stream_frames import MICROSECONDS, decode
from mmerc.media.video_frames import Frame, frame_times, read_frames, square_size

__all__ = [
    "SAMPLE_RATE",
    "Frame",
    "MediaInfo",
    "Reason",
    "decode_picture",
    "frame_times",
    "probe",
    "read_clip",
    "read_frames",
    "read_sound",
    "resize",
    "to_grey",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """What a file says of itself.

    ``duration`` in seconds; ``width`` and ``height`` as shown (upright, square pixels). None
    where the container does not say, or where there is no film.
    """

    duration: float | None
    has_sound: bool
    has_film: bool
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None


def probe(path: Path) -> MediaInfo:
    """Look into a media file, decoding no more of it than a first frame.

    Raises MediaError where it cannot be opened, or its film is encrypted or above 8192 x 8192.
    """
    with open_media(path) as container:
        info = MediaInfo(
            duration=container.duration / MICROSECONDS if container.duration else None,
            has_sound=any(map(has_decoder, container.streams.audio)),
            has_film=first_film(container) is not None,
        )
        return with_film(info, container, path) if info.has_film else info


def with_film(info: MediaInfo, container: InputContainer, path: Path) -> MediaInfo:
    """Add what is known of the film, its size by the first frame: that alone tells its turn."""
    stream = film_stream(container, path)
    rate = stream.average_rate or stream.guessed_rate
    width, height = stream.width, stream.height
    for timed in decode(container, stream, path):
        if isinstance(timed.frame, VideoFrame):
            width, height = square_size(timed.frame, stream, path)
            if display_of(timed.frame).transposed:
                width, height = height, width
            break
    return replace(
        info, width=width, height=height, frame_rate=None if rate is None else float(rate)
    )
