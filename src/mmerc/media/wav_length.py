"""Compare the length that a WAV header states with the bytes of the file.

Recorders write the length last. If they lose power, if a file passes 4 GB, or if a copy stops, the
header and the file disagree, and decoders silently read the shorter of the two.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_KINDS = (b"RIFF", b"RF64", b"BW64")
# Programs that write to a pipe state 0, or nearly the largest number with or without a sign.
_UNKNOWN, _UNKNOWN_SIGNED = 0xFFFF0000, 0x7FFF0000
_LEAST = 0.5  # seconds; smaller differences are padding
_MOST_CHUNKS = 1000


@dataclass(frozen=True, slots=True)
class _Chunk:
    """A chunk of a RIFF file: name, position of its content, stated size in bytes."""

    name: bytes
    start: int
    size: int

    @property
    def end(self) -> int:
        """Position of the next chunk; content of odd length has a byte of padding."""
        return self.start + self.size + self.size % 2


def wav_length_remarks(path: Path) -> tuple[str, ...]:
    """Remark on a WAV file that is longer or shorter than its header states."""
    try:
        with path.open("rb") as file:
            lengths = _read_lengths(file, path.stat().st_size)
    except OSError:
        return ()
    if lengths is None:
        return ()
    stated, present = lengths
    if present < stated - _LEAST:
        return (
            f"The header states {stated:.1f} s of sound, but the file ends after {present:.1f} s: "
            "the recording or its copy is incomplete.",
        )
    if present > stated + _LEAST:
        return (
            f"The header states {stated:.1f} s of sound, but the file has {present:.1f} s; the rest"
            f" is not read: ffmpeg -ignore_length 1 -i {path.name} repaired.wav keeps all of it.",
        )
    return ()


def _read_lengths(file: BinaryIO, size: int) -> tuple[float, float] | None:
    """Return the stated and the present seconds; None if nothing is stated, or for other files."""
    head = file.read(12)
    if head[:4] not in _KINDS or head[8:] != b"WAVE":
        return None
    rate, large = 0, None
    for chunk in _chunks(file, 12, size):
        if chunk.name == b"fmt ":
            rate = struct.unpack("<8xI", file.read(12))[0] if chunk.size >= 12 else 0
        elif chunk.name == b"ds64":
            large = struct.unpack("<8xQ", file.read(16))[0] if chunk.size >= 16 else None
        elif chunk.name == b"data":
            stated = chunk.size if large is None else large
            if not rate or not stated or (large is None and _is_unknown(stated, size)):
                return None
            data = _Chunk(chunk.name, chunk.start, stated)
            rest = size - chunk.start
            complete = data.end <= size and _is_riff(file, data.end, size)
            return stated / rate, (stated if complete else rest) / rate
    return None


def _is_unknown(stated: int, size: int) -> bool:
    """Whether a 32-bit length stands for an unknown one, in a file of this size."""
    return stated >= _UNKNOWN or stated >= _UNKNOWN_SIGNED > size


def _chunks(file: BinaryIO, position: int, size: int) -> Iterator[_Chunk]:
    """Yield the chunks from ``position`` on; the file stands at each one's content."""
    for _ in range(_MOST_CHUNKS):
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            return
        chunk = _Chunk(head[:4], position + 8, struct.unpack("<I", head[4:])[0])
        yield chunk
        position = chunk.end
        if position > size:
            return


def _is_riff(file: BinaryIO, position: int, size: int) -> bool:
    """Whether only chunks, or nothing, follow the sound; otherwise it is sound that goes on."""
    return all(
        chunk.name.isascii() and chunk.name.decode().isprintable() and chunk.end <= size + 1
        for chunk in _chunks(file, position, size)
    )
