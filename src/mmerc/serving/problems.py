"""What the service refuses, in one plain sentence with a status."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from mmerc.corpora.records import MENDS, shortened
from mmerc.errors import InputError
from mmerc.serving.storage_errors import NO_ROOM, NOT_WRITABLE, is_full


class Problem(BaseModel):
    """Why a request was refused, and how to fix it."""

    detail: str


MEANINGS = {
    400: "The request is not what it says it is",
    401: "The key is missing or wrong",
    403: "A page of another site asked",
    404: "No such job or file, or its time is over",
    408: "The upload took too long",
    409: "The job is not over yet",
    413: "Larger than the service takes",
    415: "Not of a kind that the service takes",
    422: "The content cannot be used",
    429: "The service is full; come again later",
    503: "The service could not answer in time",
    507: "The service's disk is full",
}


def refusals(*statuses: int) -> dict[int | str, dict[str, object]]:
    """How a route describes the refusals that it knows."""
    return {code: {"model": Problem, "description": MEANINGS[code]} for code in statuses}


async def answer_input_error(request: Request, error: Exception) -> JSONResponse:
    """What is wrong with the content."""
    return problem(422, str(error))


async def answer_invalid(request: Request, error: Exception) -> JSONResponse:
    """The first finding of pydantic as one sentence that names the field."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    steps = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:]]
    where = "".join(steps).lstrip(".") or str(first["loc"][0])
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    got = "" if first["type"] in MENDS else f", got {shortened(first['input'])}"
    fix = MENDS.get(first["type"], "fix the value")
    return problem(422, str(InputError(shortened(where), f"{message}{got}", fix)))


def problem(status: int, detail: str, *, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer; half characters, which JSON can spell and UTF-8 cannot, are replaced."""
    text = detail.encode("utf-8", "replace").decode("utf-8")
    content = jsonable_encoder(Problem(detail=text))
    return JSONResponse(content, status_code=status, headers=dict(headers or {}))


async def answer_storage(request: Request, error: Exception) -> JSONResponse:
    """The jobs' own file cannot be written."""
    refused = storage(error)
    return problem(refused.status_code, refused.detail)


def storage(error: Exception) -> HTTPException:
    """What to say of a disk that takes no more."""
    return HTTPException(507, NO_ROOM) if is_full(error) else HTTPException(503, NOT_WRITABLE)


@contextmanager
def storing() -> Iterator[None]:
    """Refuse what the disk does not take."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise storage(error) from error


async def answer_fault(request: Request, error: Exception) -> JSONResponse:
    """A fault of ours, of which the log says more."""
    return problem(500, "A fault of the service itself; report it please.")
