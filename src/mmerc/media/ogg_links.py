"""Find the links of a chained Ogg file: consecutive streams, as in recorded broadcasts.

Each link has its own headers and time, so each is opened like a separate file.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

_PAGE_HEADER = 27  # bytes; the last one is the number of segment sizes that follow
_FIRST_PAGE = 2  # flag of the page with which a stream begins
_CAPTURE = b"OggS"


@dataclass(frozen=True, slots=True)
class ByteRange:
    """Bytes of a file from ``first`` up to ``last``."""

    first: int
    last: int


def find_links(path: Path) -> tuple[ByteRange, ...]:
    """Return the links of an Ogg file in order; none for other or unreadable files."""
    try:
        status = path.stat()
    except OSError:
        return ()
    if not stat.S_ISREG(status.st_mode):
        return ()
    return _find_links(str(path), status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=64)
def _find_links(path: str, size: int, changed: int) -> tuple[ByteRange, ...]:
    """Cached ``find_links``, for a file of this size and modification time."""
    try:
        with open(path, "rb") as file:
            starts = list(_link_starts(file))
    except OSError:
        return ()
    ends = [*starts[1:], size]
    return tuple(ByteRange(*pair) for pair in zip(starts, ends, strict=True)) if starts else ()


def _link_starts(file: BinaryIO) -> Iterator[int]:
    """Yield the starts of links: a stream's first page after another kind of page.

    A damaged page ends the search; everything after it belongs to the last link.
    """
    position, in_headers = 0, False
    while True:
        file.seek(position)
        header = file.read(_PAGE_HEADER)
        if len(header) < _PAGE_HEADER or not header.startswith(_CAPTURE):
            return
        first = bool(header[5] & _FIRST_PAGE)
        if first and not in_headers:
            yield position
        in_headers = first
        position += _PAGE_HEADER + header[-1] + sum(file.read(header[-1]))


class FilePart(io.RawIOBase):
    """A part of a file, readable like a separate file."""

    def __init__(self, path: Path, part: ByteRange) -> None:
        self.file = open(path, "rb", buffering=0)  # noqa: SIM115
        self.part = part
        self.position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        length = self.part.last - self.part.first
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self.position, os.SEEK_END: length}[whence]
        self.position = max(start + offset, 0)
        return self.position

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        room = max(self.part.last - self.part.first - self.position, 0)
        self.file.seek(self.part.first + self.position)
        data = self.file.read(min(len(buffer), room)) or b""
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)

    def close(self) -> None:
        self.file.close()
        super().close()
