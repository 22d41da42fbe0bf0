"""A form with files, to disk as it comes in: memory stays small and every limit is kept."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import anyio
from anyio.to_thread import run_sync
from fastapi import HTTPException, Request
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from mmerc.serving.file_names import shown_name, subtitle_file

LARGEST_SUBTITLES = 16_000_000  # bytes; nor does the pipeline read more
LARGEST_REST = 65_536  # bytes of boundaries and headers
LONGEST_PAUSE = 60.0  # seconds without a byte; an upload holds a place in the queue
PATIENCE = 5.0  # seconds in which a refused client may finish, so that it reads the answer
FORM = "multipart/form-data"


@dataclass
class Form:
    """Takes the parts ``recording`` and ``subtitles`` of a body to ``folder`` as they come."""

    folder: Path
    boundary: bytes
    largest: int
    name: str | None = None
    whole: bool = False
    header: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    file: BinaryIO | None = None
    room: int = 0
    seen: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.parser = MultipartParser(
            self.boundary,
            {
                "on_part_begin": self.headers.clear,
                "on_header_begin": self.header.clear,
                "on_header_field": self.take_header,
                "on_header_value": self.take_header_value,
                "on_header_end": lambda: None,
                "on_headers_finished": self.open_part,
                "on_part_data": self.take_data,
                "on_part_end": self.close_part,
                "on_end": self.finish,
            },
        )

    def feed(self, data: bytes) -> None:
        """Take what came in; HTTPException for no form or too much, OSError for a full disk."""
        try:
            self.parser.write(data)
        except MultipartParseError as error:
            raise HTTPException(400, "The form cannot be read; send it again.") from error

    def take_header(self, data: bytes, start: int, end: int) -> None:
        self.header += data[start:end]

    def take_header_value(self, data: bytes, start: int, end: int) -> None:
        name = bytes(self.header).lower()
        self.headers[name] = self.headers.get(name, b"") + data[start:end]

    def open_part(self) -> None:
        """Begin the file of a part whose headers are there."""
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        part = options.get(b"name", b"").decode(errors="replace")
        given = options.get(b"filename", b"").decode(errors="replace")
        if part not in {"recording", "subtitles"} or part in self.seen:
            problem = "a part that is neither the recording nor the subtitles, or comes twice"
            raise HTTPException(422, f"The form has {problem}; leave it out.")
        self.seen.add(part)
        place: str | None = "recording"
        if part == "recording":
            self.name, self.room = shown_name(given), self.largest
        else:
            place, self.room = subtitle_file(given), LARGEST_SUBTITLES
        if place is None:
            raise HTTPException(
                415, "The subtitles have no known ending; give .srt, .vtt, .ass or .ssa."
            )
        self.file = open(self.folder / place, "wb")  # noqa: SIM115

    def take_data(self, data: bytes, start: int, end: int) -> None:
        self.room -= end - start
        if self.room < 0:
            raise too_large(self.largest)
        if self.file is not None:
            self.file.write(memoryview(data)[start:end])

    def close_part(self) -> None:
        """What is accepted survives even a loss of power."""
        if self.file is not None:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    def finish(self) -> None:
        self.whole = True

    def abandon(self) -> None:
        """Close what is open, full disk or not."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()

    def result(self) -> str:
        """The recording's name; HTTPException where the body ended too soon or had no recording."""
        if not self.whole:
            raise HTTPException(400, "The upload ends in the middle; send it again.")
        if self.name is None:
            raise HTTPException(422, "The form has no part 'recording'; add a film or sound file.")
        return self.name


def too_large(largest: int) -> HTTPException:
    """What to say of a file above the limit."""
    size = f"{largest / 2**20:g} MB"
    return HTTPException(
        413, f"The file is larger than the {size} that this service takes; cut it."
    )


def boundary_of(request: Request) -> bytes:
    """The form's boundary; HTTPException 415 for any other body."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != FORM.encode() or not 0 < len(boundary) <= 70:  # RFC 2046
        raise HTTPException(415, f"The body is no form with files; send {FORM} with a boundary.")
    return boundary


async def receive(request: Request, folder: Path, *, largest: int, longest: float) -> str:
    """Take a form's files into ``folder`` and give the recording's name.

    ``largest`` in bytes, ``longest`` in seconds. HTTPException if it cannot be, OSError for a disk
    that does not take it, ClientDisconnect where nobody is left to answer.
    """
    form: Form | None = None
    try:
        with anyio.fail_after(longest):
            form = Form(folder, boundary_of(request), largest)
            check_length(request, largest)
            with anyio.fail_after(LONGEST_PAUSE) as pause:
                async for chunk in request.stream():
                    await run_sync(form.feed, chunk)
                    pause.deadline = anyio.current_time() + LONGEST_PAUSE
        return form.result()
    except TimeoutError as error:
        raise HTTPException(408, "The upload took too long; send it over a faster line.") from error
    finally:
        if form is not None:
            await run_sync(form.abandon)


def check_length(request: Request, largest: int) -> None:
    """Refuse what says of itself that it is too large, before it is read."""
    said = request.headers.get("content-length", "")
    if said.isdecimal() and int(said) > largest + LARGEST_SUBTITLES + LARGEST_REST:
        raise too_large(largest)


@asynccontextmanager
async def patiently(request: Request) -> AsyncIterator[None]:
    """Read on for a while before a refusal: who is cut off while sending never reads the answer."""
    try:
        yield
    except HTTPException:
        if "expect" not in request.headers:  # who asks before sending can read
            with anyio.move_on_after(PATIENCE), suppress(ClientDisconnect, RuntimeError):
                async for _ in request.stream():  # RuntimeError: all of it was read
                    pass
        raise
