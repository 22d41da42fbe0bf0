"""Uploads, jobs and what comes of them."""

from __future__ import annotations

import shutil
import time
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Path, Request, Response
from fastapi.responses import FileResponse
from pydantic import BaseModel

from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.file_names import media_type, stem_of
from mmerc.serving.jobs import Job
from mmerc.serving.problems import refusals, storing
from mmerc.serving.service import Here, Service
from mmerc.serving.upload import FORM, patiently, receive

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
RECORDING_POLICY = "default-src 'none'; media-src 'self'; sandbox"
PAGE_POLICY = "frame-ancestors 'none'"  # the page itself says what it may load and run
BINARY = {"contentMediaType": "application/octet-stream"}  # no type: any bytes are a file
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {"recording": BINARY, "subtitles": BINARY},
                    "required": ["recording"],
                    "additionalProperties": False,
                },
                "encoding": {"recording": {"contentType": "application/octet-stream"}},
            }
        },
    }
}


class JobAnswer(BaseModel):
    """A job; ``done`` of ``total`` utterances of ``stage``, ``ahead`` jobs that come before it.

    ``files`` are the addresses of what came out, ``expires`` the seconds until all of it goes.
    """

    id: str
    name: str
    state: Literal["queued", "running", "done", "failed"]
    stage: str | None
    done: int
    total: int
    ahead: int
    reason: str | None
    expires: float | None
    files: dict[str, str]


def answer(service: Service, job: Job) -> JobAnswer:
    """A job as its owner sees it."""
    at = f"/v1/jobs/{job.id}/files"
    names = [*ANALYSIS_FORMATS, quote(job.name, safe="")] if job.state == "done" else []
    left = None if job.ended is None else job.ended + service.settings.keep - time.time()
    return JobAnswer(
        id=job.id,
        name=job.name,
        state="queued" if job.state == "uploading" else job.state,
        stage=job.stage,
        done=job.done,
        total=job.total,
        ahead=service.jobs.ahead(job) if job.state == "queued" else 0,
        reason=job.reason,
        expires=None if left is None else max(0.0, round(left, 1)),
        files={unquote(name): f"{at}/{name}" for name in names},
    )


def known(service: Service, job: str) -> Job:
    """The job that is called so; HTTPException 404."""
    found = service.jobs.get(job)
    if found is None or found.state == "uploading":
        raise HTTPException(404, "There is no such job, or its time is over; begin a new one.")
    return found


def reserve(service: Service) -> str:
    """A place in the queue before anything is taken in; HTTPException 429."""
    job = service.jobs.reserve()
    if job is None:
        detail = "The queue is full; come again in a minute."
        raise HTTPException(429, detail, headers={"Retry-After": "60"})
    return job


def accepted(service: Service, job: str, name: str, response: Response) -> JobAnswer:
    """From here on the job is not lost."""
    service.jobs.accept(job, name)
    response.headers["Location"] = f"/v1/jobs/{job}"
    return answer(service, known(service, job))


@router.post(
    "",
    status_code=202,
    openapi_extra=UPLOAD_BODY,
    responses=refusals(400, 401, 403, 408, 413, 415, 422, 429, 503, 507),
)
async def upload(request: Request, response: Response, service: Here) -> JobAnswer:
    """Upload a film or sound file (``recording``) and, if there are any, its ``subtitles``."""
    settings = service.settings
    async with patiently(request):
        with storing():
            job = await run_sync(reserve, service)
            try:
                name = await receive(
                    request,
                    service.jobs.folder(job),
                    largest=settings.largest_upload,
                    longest=settings.longest_upload,
                )
                return await run_sync(accepted, service, job, name, response)
            except BaseException:
                with CancelScope(shield=True):
                    await run_sync(service.jobs.remove, job)
                raise


@router.post("/example", status_code=202, responses=refusals(401, 403, 404, 429, 503, 507))
def example(response: Response, service: Here) -> JobAnswer:
    """Analyse the example film."""
    film = service.settings.example
    if film is None:
        raise HTTPException(404, "There is no example film here; upload a recording.")
    with storing():
        job = reserve(service)
        folder = service.jobs.folder(job)
        try:
            shutil.copyfile(film, folder / "recording")
            shutil.copyfile(film.with_suffix(".srt"), folder / "subtitles.srt")
            return accepted(service, job, film.name, response)
        except BaseException:
            service.jobs.remove(job)
            raise


@router.get("/{job}", responses=refusals(401, 404, 422))
def show(job: JobId, service: Here) -> JobAnswer:
    """How far a job is, and the addresses of its files once it is done."""
    return answer(service, known(service, job))


@router.delete("/{job}", status_code=204, responses=refusals(401, 403, 404, 422))
def delete(job: JobId, service: Here) -> None:
    """Forget a job at once, with everything that was uploaded and found."""
    known(service, job)
    service.jobs.remove(job)


@router.get(
    "/{job}/files/{name}",
    response_class=FileResponse,
    responses={
        200: {"content": {"*/*": {}}, "description": "The file; ranges may be asked for"},
        206: {"content": {"*/*": {}}, "description": "A range of it"},
        416: {"content": {"*/*": {}}, "description": "No range of this file"},
        **refusals(400, 401, 404, 409, 422),
    },
)
def file(job: JobId, name: str, service: Here) -> FileResponse:
    """A result by its kind (html is the page), or the recording by its name."""
    found = known(service, job)
    if name not in {*ANALYSIS_FORMATS, found.name}:
        raise HTTPException(404, "There is no such file; the job names those that there are.")
    if found.state != "done":
        raise HTTPException(409, "The job is not done; ask for it again.")
    folder = service.jobs.folder(job)
    recording, result = folder / "recording", folder / "results" / f"result.{name}"
    if not (recording if name == found.name else result).is_file():
        raise HTTPException(404, "The job is being deleted; begin a new one.")
    if name == found.name:
        headers = {"Content-Security-Policy": RECORDING_POLICY}
        return FileResponse(recording, media_type=media_type(name), headers=headers)
    return FileResponse(
        result,
        media_type=ANALYSIS_FORMATS[name].media_type,
        filename=f"{stem_of(found.name)}.{name}",
        content_disposition_type="inline" if name == "html" else "attachment",
        headers={"Content-Security-Policy": PAGE_POLICY},
    )
