"""Stream uploads to disk, with little memory and enforced limits."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import anyio
from anyio.to_thread import run_sync
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from mmerc.errors import InputError
from mmerc.serving.file_names import display_name, subtitle_file
from mmerc.serving.set_fields import SetFields

_MAX_SUBTITLES = 16_000_000  # bytes; the pipeline reads no more
_MAX_FORM_OVERHEAD = 65_536  # bytes of boundaries and headers
_MAX_PAUSE = 60.0  # seconds without data; an upload occupies a place in the queue
_PATIENCE = 5.0  # seconds for a refused client to finish sending, so that it reads the answer
FORM = "multipart/form-data"
_FILES = ("recording", "subtitles")
_VALUES = tuple(SetFields.model_fields)
_MAX_VALUE = 32  # bytes of a part that is not a file


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A complete upload: the recording's name, and the values of other fields by name."""

    name: str
    values: Mapping[str, str]


@dataclass
class _Form:
    """Writes the parts ``recording`` and ``subtitles`` of a body to ``folder`` while streaming.

    ``values``: short values of the other fields, by name. ``check`` is called with the values so
    far after each field, to refuse an invalid upload early.
    """

    folder: Path
    boundary: bytes
    largest: int
    check: Callable[[Mapping[str, str]], object]
    name: str | None = None
    values: dict[str, bytearray] = field(default_factory=dict)
    complete: bool = False
    header: bytearray = field(default_factory=bytearray)
    headers: dict[bytes, bytes] = field(default_factory=dict)
    file: BinaryIO | None = None
    room: int = 0
    seen: set[str] = field(default_factory=set)
    part: str | None = None

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
        """Process a chunk; HTTPException if malformed or too large, OSError on a full disk."""
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
        """Open the file of a part after its headers."""
        _, options = parse_options_header(self.headers.get(b"content-disposition"))
        part = options.get(b"name", b"").decode(errors="replace")
        file_name = options.get(b"filename", b"").decode(errors="replace")
        if part not in {*_FILES, *_VALUES} or part in self.seen:
            problem = f"a part other than {', '.join((*_FILES, *_VALUES))}, or one of them twice"
            raise HTTPException(422, f"The form has {problem}; remove it.")
        self.seen.add(part)
        if part in _VALUES:
            self.part, self.room = part, _MAX_VALUE
            self.values[part] = bytearray()
            return
        target: str | None = "recording"
        if part == "recording":
            self.name, self.room = display_name(file_name), self.largest
        else:
            target, self.room = subtitle_file(file_name), _MAX_SUBTITLES
        if target is None:
            raise HTTPException(
                415, "The subtitles have an unknown ending; use .srt, .vtt, .ass or .ssa."
            )
        self.file = open(self.folder / target, "wb")  # noqa: SIM115

    def take_data(self, data: bytes, start: int, end: int) -> None:
        self.room -= end - start
        if self.room < 0 and self.part is not None:
            raise HTTPException(422, f"The part {self.part!r} is too long; send a number in it.")
        if self.room < 0:
            raise _too_large(self.largest)
        if self.part is not None:
            self.values[self.part] += memoryview(data)[start:end]
        elif self.file is not None:
            self.file.write(memoryview(data)[start:end])

    def close_part(self) -> None:
        """Write the part to disk, so that an accepted upload survives a power failure."""
        if self.part is not None:
            self.part = None
            self.check(self.texts)
        elif self.file is not None:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()

    @property
    def texts(self) -> dict[str, str]:
        return {key: value.decode(errors="replace") for key, value in self.values.items()}

    def finish(self) -> None:
        self.complete = True

    def abandon(self) -> None:
        """Close an open file, even on a full disk."""
        if self.file is not None:
            with suppress(OSError):
                self.file.close()

    def result(self) -> Upload:
        """Return the upload; HTTPException if the body is incomplete or has no recording."""
        if not self.complete:
            raise HTTPException(400, "The upload is incomplete; send it again.")
        if self.name is None:
            raise HTTPException(422, "The form has no part 'recording'; add a film or sound file.")
        return Upload(name=self.name, values=self.texts)


def _too_large(largest: int) -> HTTPException:
    """Return the error for a file above the limit."""
    size = f"{largest / 2**20:g} MB"
    return HTTPException(
        413, f"The file is larger than the {size} that this service accepts; shorten it."
    )


def _read_boundary(request: Request) -> bytes:
    """Return the form's boundary; HTTPException 415 for any other body."""
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != FORM.encode() or not 0 < len(boundary) <= 70:  # RFC 2046
        raise HTTPException(415, f"The body is not a form with files; send {FORM} with a boundary.")
    return boundary


async def receive(
    request: Request,
    folder: Path,
    *,
    largest: int,
    longest: float,
    check: Callable[[Mapping[str, str]], object],
) -> Upload:
    """Write the files of a form to ``folder``; return its other fields.

    ``largest`` is in bytes, ``longest`` in seconds; ``check`` ends the upload with an error if a
    field's value is invalid. HTTPException for an invalid upload, OSError on a full disk,
    ClientDisconnect if the client has disconnected.
    """
    form: _Form | None = None
    try:
        with anyio.fail_after(longest):
            form = _Form(folder, _read_boundary(request), largest, check)
            _check_length(request, largest)
            with anyio.fail_after(_MAX_PAUSE) as pause:
                async for chunk in request.stream():
                    await run_sync(form.feed, chunk)
                    pause.deadline = anyio.current_time() + _MAX_PAUSE
        return form.result()
    except TimeoutError as error:
        raise HTTPException(408, "The upload took too long; use a faster connection.") from error
    finally:
        if form is not None:
            await run_sync(form.abandon)


def _check_length(request: Request, largest: int) -> None:
    """HTTPException 413 if the announced length is too large, before anything is read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > largest + _MAX_SUBTITLES + _MAX_FORM_OVERHEAD:
        raise _too_large(largest)


@asynccontextmanager
async def receiving_rest(request: Request) -> AsyncIterator[None]:
    """Keep reading after an error: a client interrupted while sending never reads the answer."""
    try:
        yield
    except (HTTPException, RequestValidationError, InputError):
        if "expect" not in request.headers:  # such a client reads the answer before sending
            with anyio.move_on_after(_PATIENCE), suppress(ClientDisconnect, RuntimeError):
                async for _ in request.stream():  # RuntimeError if everything was read
                    pass
        raise
