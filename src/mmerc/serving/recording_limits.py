"""Recordings that would be far larger decoded than they are: refused before they are decoded."""

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

PIXELS_A_SECOND = 60 * 3840 * 2160
PACKETS_A_SECOND = 2000  # TrueHD has 1,200; Opus at most 400


@dataclass
class Extent:
    """How far a track reaches: seconds between its times, seconds of what lasts, and pixels."""

    first: float = float("inf")
    last: float = float("-inf")
    lasting: float = 0.0
    packets: int = 0
    pixels: int = 0

    def add(self, packet: Packet[Stream]) -> None:
        if packet.pts is not None:
            time = float(packet.pts * packet.time_base)
            self.first, self.last = min(self.first, time), max(self.last, time)
        self.lasting += float(max(packet.duration or 0, 0) * packet.time_base)
        self.packets += 1
        context = packet.stream.codec_context
        self.pixels += getattr(context, "width", 0) * getattr(context, "height", 0)

    @property
    def seconds(self) -> float:
        return max(self.last - self.first, self.lasting)


def check_recording(path: Path, *, longest: float) -> None:
    """MediaError for what is no recording or lasts, or would decode to, more than is allowed.

    A header may say anything: all packets are counted (and not decoded), by their times, which
    may leap, and by how long each lasts. ``longest`` in seconds.
    """
    said = probe(path).duration
    extents: dict[int, Extent] = {}
    for packet in packets_of(path):
        extent = extents.setdefault(packet.stream_index, Extent())
        extent.add(packet)
        if max(said or 0.0, extent.seconds) > longest:
            problem = f"longer than the {longest / 60:g} minutes that this service takes"
            raise MediaError(path, problem, "give a part of it")
        if extent.packets > PACKETS_A_SECOND * longest or extent.pixels > PIXELS_A_SECOND * longest:
            problem = "larger when it is decoded than this service takes"
            raise MediaError(path, problem, "scale it down or give a part of it")


def packets_of(path: Path) -> Iterator[Packet[Stream]]:
    """Packets of sound and film up to the first damage, of which the analysis says more."""
    with open_media(path) as container:
        try:
            for packet in container.demux(*container.streams.audio, *container.streams.video):
                if packet.dts is not None or packet.size:
                    yield packet
        except av.FFmpegError:
            return
