"""Decode the frames of one stream, from any time on.

Times are in seconds from the start of the file as in players: from its earliest stream, so that
sound and film stay aligned.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import accumulate, chain
from pathlib import Path
from typing import Any, TypeVar

import av
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from mmerc.media.container import LIMITS, Reason, open_media
from mmerc.media.ogg_links import ByteRange, find_links
from mmerc.media.segment import MediaError

# Seconds to start before the requested time: decoders settle within the first half second; the rest
# is for containers with inexact seeking.
_STEPS_BACK = (0.5, 5.0, 30.0, math.inf)
# Containers that state their duration; in others it is an estimate.
_STATING_LENGTH = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "flac")
# Only FLAC has a checksum per frame; without the check, a damaged frame would become noise.
_CHECKED = {"flac": {"err_detect": "crccheck+explode"}}
# The data between two concatenated MP3 files.
JOIN_MARKS = (b"ID3", b"TAG", b"APETAGEX", b"Xing", b"Info", b"VBRI")
MICROSECONDS = 1_000_000  # FFmpeg's unit for whole containers

_Stream = AudioStream | VideoStream
_StreamT = TypeVar("_StreamT", AudioStream, VideoStream)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedFrame:
    """A decoded frame with start and end in seconds; None for an undecodable packet.

    ``join``: a concatenated stream starts here; a gap before it is not damage.
    """

    time: float
    end: float
    frame: AudioFrame | VideoFrame | None
    join: bool = False


@contextmanager
def opened_at(
    path: Path, pick: Callable[[InputContainer, Path], _StreamT], *, time: float
) -> Iterator[tuple[_StreamT, Iterator[TimedFrame]]]:
    """Open one stream of a file; yield its frames from ``time``, or slightly earlier, on.

    In a chained Ogg file the stream is that of the link at ``time``; frames continue through all
    later links. Links without such a stream are gaps.
    """
    links = timed_links(path)
    links = [link for link in links if _has_stream(path, pick, link.part)] or links
    if not links:
        with _opened_part(path, pick, time=time) as opened:
            yield opened
        return
    starts = [link.start for link in links]
    first, *rest = links[max(bisect_right(starts, time) - 1, 0) :]
    with _opened_part(path, pick, time=time - first.start, part=first.part) as (stream, frames):
        yield stream, chain(_shifted(frames, first.start), _chained(path, pick, rest))


@dataclass(frozen=True, slots=True)
class TimedLink:
    """A link of a chained file and its start in seconds."""

    part: ByteRange
    start: float


def timed_links(path: Path) -> list[TimedLink]:
    """Return the links of an Ogg file with their times; at most one if it is not chained.

    MediaError if one cannot be opened.
    """
    parts = find_links(path)
    if len(parts) < 2:
        return []
    lengths = [link_length(path, part) for part in parts]
    starts = accumulate(lengths[:-1], initial=0.0)
    return [TimedLink(*pair) for pair in zip(parts, starts, strict=True)]


def link_length(path: Path, part: ByteRange) -> float:
    """Return the duration of a link in seconds; for Opus, FFmpeg includes the encoder delay."""
    with open_media(path, part=part) as container:
        seconds = (container.duration or 0) / MICROSECONDS
        packet = next(container.demux(), None)
        if packet is None or packet.pts is None or packet.stream.codec_context.name != "opus":
            return seconds
        return seconds + min(float(packet.pts * packet.time_base), 0.0)


def _has_stream(
    path: Path, pick: Callable[[InputContainer, Path], _Stream], part: ByteRange
) -> bool:
    """Whether a link has a stream of this kind; MediaError if it cannot be opened."""
    with open_media(path, part=part) as container:
        try:
            pick(container, path)
        except MediaError:
            return False
    return True


def _chained(
    path: Path, pick: Callable[[InputContainer, Path], _StreamT], links: Sequence[TimedLink]
) -> Iterator[TimedFrame]:
    """Yield the frames of links, each from its start."""
    for link in links:
        with _opened_part(path, pick, time=0.0, part=link.part) as (_, frames):
            first = next(frames, None)
            if first is not None:
                yield from _shifted([replace(first, join=True)], link.start)
                yield from _shifted(frames, link.start)


def _shifted(frames: Iterable[TimedFrame], seconds: float) -> Iterator[TimedFrame]:
    """Shift frames by some seconds."""
    for timed in frames:
        yield replace(timed, time=timed.time + seconds, end=timed.end + seconds)


@contextmanager
def _opened_part(
    path: Path,
    pick: Callable[[InputContainer, Path], _StreamT],
    *,
    time: float,
    part: ByteRange | None = None,
) -> Iterator[tuple[_StreamT, Iterator[TimedFrame]]]:
    """Like ``opened_at``, for an unchained file or a part of a file.

    It is reopened for every attempt: after seeking back to the start, some decoders no longer skip
    the encoder delay.
    """
    for back in _STEPS_BACK:
        with open_media(path, part=part) as container:
            stream = pick(container, path)
            sought = time > back
            if sought and not _seek(container, stream, time - back):
                continue
            timed_frames = decode(container, stream, path)
            first = next(timed_frames, None)
            if not sought or (first is not None and first.frame is not None and first.time <= time):
                yield stream, timed_frames if first is None else chain([first], timed_frames)
                return


def _seek(container: InputContainer, stream: _Stream, time: float) -> bool:
    """Seek to the key frame before ``time``; False if the container cannot.

    For ADPCM, FFmpeg guesses the place from the mean bit rate and labels it with the wrong time.
    """
    if stream.time_base is None or stream.codec_context.name.startswith("adpcm"):
        return False
    try:
        container.seek(int((Fraction(time) + origin(container)) / stream.time_base), stream=stream)
    except (av.FFmpegError, OverflowError):  # OverflowError: an extremely large time
        return False
    return True


def decode(container: InputContainer, stream: _Stream, path: Path) -> Iterator[TimedFrame]:
    """Decode from the current position to the end.

    MediaError if packets are encrypted, unreadable, or end before the stated duration.
    """
    stream.codec_context.options = LIMITS | _CHECKED.get(stream.codec_context.name, {})
    for other in container.streams:
        other.discard = Discard.default if other.index == stream.index else Discard.all
    zero, time = origin(container), 0.0
    try:
        for packet in container.demux(stream):
            if packet.has_sidedata("encryption_info"):
                raise Reason.ENCRYPTED.at(path)
            for timed in _decode_packet(packet, stream, zero=zero, time=time):
                yield timed
                time = timed.end
        cut_off = _ends_early(container, reached=time)
    except av.FFmpegError as error:
        raise Reason.NOT_MEDIA.at(path) from error
    if cut_off:
        raise Reason.NOT_MEDIA.at(path)


def _decode_packet(
    packet: Packet[Any], stream: _Stream, *, zero: Fraction, time: float
) -> Iterator[TimedFrame]:
    """Yield the frames of a packet; ``time`` is the end of the previous one."""

    def seconds(stamp: int | None, base: Fraction | None) -> float:
        return time if stamp is None or base is None else float(stamp * base - zero)

    try:
        frames, damaged = stream.decode(packet), False
    except av.FFmpegError:
        frames, damaged = [], True
    join = not frames and _starts_joined_file(packet, stream)
    if damaged or join:
        start = seconds(packet.pts, packet.time_base)
        length = float((packet.duration or 0) * packet.time_base)
        yield TimedFrame(time=start, end=start + length, frame=None, join=join)
        return
    # AVI has no presentation times; FFmpeg guesses them, wrongly for frames with look-ahead.
    in_order = stream.container.format.name == "avi"
    for frame in frames:
        start = seconds(frame.dts if in_order else frame.pts, frame.time_base)
        time = start + _frame_length(frame, stream)
        yield TimedFrame(time=start, end=time, frame=frame)


def _starts_joined_file(packet: Packet[Any], stream: _Stream) -> bool:
    """Whether a packet without sound starts a concatenated MP3 file."""
    return stream.container.format.name == "mp3" and any(
        mark in bytes(packet) for mark in JOIN_MARKS
    )


def _frame_length(frame: AudioFrame | VideoFrame, stream: _Stream) -> float:
    """Return the duration of a frame in seconds; 0 if unknown."""
    if isinstance(frame, AudioFrame):
        return frame.samples / frame.sample_rate
    if frame.duration and frame.time_base:
        return float(frame.duration * frame.time_base)
    return float(1 / stream.guessed_rate) if stream.guessed_rate else 0.0


def origin(container: InputContainer) -> Fraction:
    """Return the time stamp (seconds) that players show as 0.

    Data before 0 is encoder delay, which decoders skip.
    """
    return Fraction(max(container.start_time or 0, 0), MICROSECONDS)


def _ends_early(container: InputContainer, *, reached: float) -> bool:
    """Whether all streams, not only the decoded one, end before the stated duration."""
    if container.format.name not in _STATING_LENGTH or not container.duration:
        return False
    end = Fraction(container.duration, MICROSECONDS) - 1  # a second of tolerance
    if reached >= end:
        return False
    for stream in container.streams:
        stream.discard = Discard.default
    end += origin(container)
    container.seek(max(int(end * MICROSECONDS), 0))
    return all(
        packet.pts is None or (packet.pts + (packet.duration or 0)) * packet.time_base < end
        for packet in container.demux()
    )
