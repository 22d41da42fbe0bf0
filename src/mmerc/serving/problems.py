"""Errors of the API: a status and one sentence with the fix."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from fastapi import FastAPI, HTTPException, Request
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel

from mmerc.corpora.records import FIXES, shorten
from mmerc.errors import InputError
from mmerc.files import encodable
from mmerc.serving.jobs_database import DatabaseError
from mmerc.serving.storage_errors import DISK_FULL, NOT_WRITABLE, is_full


class Problem(BaseModel):
    """The reason why a request failed, and the fix."""

    detail: str


_MEANINGS = {
    400: "The request is malformed, or its host name is not accepted",
    401: "The key is missing or wrong",
    403: "The request comes from a page of another site",
    404: "No such job or file, or it has expired",
    408: "The request took too long to arrive",
    409: "The job has not finished",
    413: "Larger than the service accepts",
    415: "A type that the service does not accept",
    422: "The content cannot be used",
    429: "Too many jobs or requests; try again later",
    503: "The service could not answer in time",
    507: "The service's disk is full",
}


def problem_responses(*statuses: int) -> dict[int | str, dict[str, object]]:
    """Describe the errors of a route for OpenAPI."""
    return {code: {"model": Problem, "description": _MEANINGS[code]} for code in statuses}


async def answer_input_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an error in the content."""
    return problem_response(422, str(error))


async def answer_validation_error(request: Request, error: Exception) -> JSONResponse:
    """Answer the first error found by pydantic, in one sentence with the field."""
    if not isinstance(error, RequestValidationError):
        raise error
    first = error.errors()[0]
    steps = [f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"][1:]]
    where = "".join(steps).lstrip(".") or str(first["loc"][0])
    message = f"{first['msg'][:1].lower()}{first['msg'][1:]}"
    got = "" if first["type"] in FIXES else f", got {shorten(first['input'])}"
    fix = FIXES.get(first["type"], "fix the value")
    return problem_response(422, str(InputError(shorten(where), f"{message}{got}", fix)))


def problem_response(
    status: int, detail: str, *, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """Build the response; lone surrogates, which UTF-8 cannot encode, are replaced."""
    content = jsonable_encoder(Problem(detail=encodable(detail)))
    return JSONResponse(content, status_code=status, headers=dict(headers or {}))


async def answer_storage_error(request: Request, error: Exception) -> JSONResponse:
    """Answer that the job database is not writable."""
    exception = storage_exception(error)
    return problem_response(exception.status_code, exception.detail)


def storage_exception(error: Exception) -> HTTPException:
    """Return the error for a disk that is not writable."""
    return HTTPException(507, DISK_FULL) if is_full(error) else HTTPException(503, NOT_WRITABLE)


@contextmanager
def translate_storage_errors() -> Iterator[None]:
    """Raise an HTTPException if the disk is not writable."""
    try:
        yield
    except (OSError, sqlite3.Error) as error:
        raise storage_exception(error) from error


async def answer_internal_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an internal error; details are in the log."""
    return problem_response(500, "Internal error of the service; please report it.")


def answer_errors(app: FastAPI) -> None:
    """Make an application answer every error as a problem."""
    app.add_exception_handler(sqlite3.Error, answer_storage_error)
    app.add_exception_handler(DatabaseError, answer_storage_error)
    app.add_exception_handler(Exception, answer_internal_error)
    app.add_exception_handler(InputError, answer_input_error)
    app.add_exception_handler(RequestValidationError, answer_validation_error)
