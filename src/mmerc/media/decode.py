"""Decode media: file information, sound, frames, single pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.video.frame import VideoFrame

from mmerc.media.container import (
    Reason,
    film_stream,
    first_film,
    has_decoder,
    open_media,
    sound_stream,
)
from mmerc.media.film_reader import FilmReader, read_frames
from mmerc.media.pictures import decode_picture, display_of, resize, to_grey
from mmerc.media.resampling import SAMPLE_RATE
from mmerc.media.sound import read_clip, read_sound
from mmerc.media.stream_frames import (
    JOIN_MARKS,
    MICROSECONDS,
    decode,
    link_length,
    origin,
    timed_links,
)
from mmerc.media.video_frames import Frame, frame_times, square_size

__all__ = [
    "SAMPLE_RATE",
    "FilmReader",
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


_ESTIMATE_ERROR = 0.1  # seconds; smaller differences are due to rounding


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaInfo:
    """Information from a file's headers.

    ``duration`` in seconds; ``channels`` of the sound; ``width`` and ``height`` as shown (upright,
    square pixels). None if the container does not say, or if there is no sound or film.
    ``parts``: number of concatenated recordings.
    """

    duration: float | None
    has_sound: bool
    has_film: bool
    width: int | None = None
    height: int | None = None
    frame_rate: float | None = None
    channels: int | None = None
    parts: int = 1


def probe(path: Path) -> MediaInfo:
    """Inspect a media file, decoding at most one frame.

    Durations include all links of chained Ogg files. For MP3 files frames are counted, because the
    header does not include concatenated files.

    MediaError if it cannot be opened, or its film is encrypted or larger than 8192 x 8192.
    """
    with open_media(path) as container:
        info = MediaInfo(
            duration=container.duration / MICROSECONDS if container.duration else None,
            has_sound=any(map(has_decoder, container.streams.audio)),
            has_film=first_film(container) is not None,
        )
        if info.has_sound:
            info = replace(info, channels=sound_stream(container, path).channels)
        if info.has_film:
            info = _with_film(info, container, path)
    return _with_parts(info, path)


def _with_parts(info: MediaInfo, path: Path) -> MediaInfo:
    """Add recordings concatenated to the first one of an audio file."""
    links = timed_links(path)
    if links:
        last = links[-1]
        end = last.start + link_length(path, last.part)
        return replace(info, duration=end, parts=len(links))
    with open_media(path) as container:
        if container.format.name != "mp3" or not info.has_sound:
            return info
        end, joins = _count_packets(container, sound_stream(container, path))
    differs = abs(end - (info.duration or 0.0)) > _ESTIMATE_ERROR
    return replace(info, duration=end if differs else info.duration, parts=1 + joins)


def _count_packets(container: InputContainer, stream: AudioStream) -> tuple[float, int]:
    """Return the end of the last packet in seconds, and the number of concatenated files."""
    end, joins = 0.0, 0
    try:
        for packet in container.demux(stream):
            if packet.pts is not None:
                end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
                joins += bytes(packet).startswith(JOIN_MARKS)
    except av.FFmpegError:  # damage is reported when the sound is read
        pass
    return end - float(origin(container)), joins


def _with_film(info: MediaInfo, container: InputContainer, path: Path) -> MediaInfo:
    """Add the film's properties; the size comes from the first frame, which has the rotation."""
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
