"""Refuse recordings that are too long or would decode to too much, before decoding."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
from av.packet import Packet
from av.stream import Stream

from mmerc.media.container import open_media
from mmerc.media.decode import probe
from mmerc.media.segment import MediaError

_PIXELS_PER_SECOND = 60 * 3840 * 2160
_PACKETS_PER_SECOND = 2000  # TrueHD has 1,200; Opus at most 400


@dataclass
class _Extent:
    """The size of a track: time range and total duration in seconds, packets, pixels."""

    first: float = float("inf")
    last: float = float("-inf")
    duration: float = 0.0
    packets: int = 0
    pixels: int = 0

    def add(self, packet: Packet[Stream]) -> None:
        if packet.pts is not None:
            time = float(packet.pts * packet.time_base)
            self.first, self.last = min(self.first, time), max(self.last, time)
        self.duration += float(max(packet.duration or 0, 0) * packet.time_base)
        self.packets += 1
        context = packet.stream.codec_context
        self.pixels += getattr(context, "width", 0) * getattr(context, "height", 0)

    @property
    def seconds(self) -> float:
        return max(self.last - self.first, self.duration)


def check_recording(path: Path, *, longest: float) -> None:
    """MediaError for a file that is not a recording, is too long, or decodes to too much.

    Headers may be wrong, so all packets are read (not decoded): their timestamps, which may jump,
    and their durations. ``longest`` is in seconds.
    """
    header_duration = probe(path).duration
    extents: dict[int, _Extent] = {}
    for packet in _read_packets(path):
        extent = extents.setdefault(packet.stream_index, _Extent())
        extent.add(packet)
        if max(header_duration or 0.0, extent.seconds) > longest:
            problem = f"longer than the {longest / 60:g} minutes that this service accepts"
            raise MediaError(path, problem, "upload a part of it")
        if (
            extent.packets > _PACKETS_PER_SECOND * longest
            or extent.pixels > _PIXELS_PER_SECOND * longest
        ):
            problem = "larger when decoded than this service accepts"
            raise MediaError(path, problem, "scale it down or upload a part of it")


def _read_packets(path: Path) -> Iterator[Packet[Stream]]:
    """Yield packets of sound and film up to the first damage, which the analysis reports."""
    with open_media(path) as container:
        try:
            for packet in container.demux(*container.streams.audio, *container.streams.video):
                if packet.dts is not None or packet.size:
                    yield packet
        except av.FFmpegError:
            return
