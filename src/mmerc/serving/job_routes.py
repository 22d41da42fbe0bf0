"""Uploads, jobs and their results."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal
from urllib.parse import quote, unquote

from anyio import CancelScope
from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Path, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse
from pydantic import BaseModel, ValidationError

from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.prediction.prediction_sets import check_set_request
from mmerc.prediction.set_request import SetRequest
from mmerc.serving.file_names import media_type, result_stem
from mmerc.serving.job_order import JobOrder
from mmerc.serving.jobs import Job
from mmerc.serving.problems import problem_responses, translate_storage_errors
from mmerc.serving.service import Service, ServiceDependency
from mmerc.serving.set_fields import SetFields
from mmerc.serving.upload import FORM, receive, receiving_rest

router = APIRouter(prefix="/v1/jobs", tags=["jobs"])
JobId = Annotated[str, Path(pattern="^[0-9a-f]{32}$")]
_FileName = Annotated[
    str,
    Path(
        description="; ".join(f"`{f.name}`: {f.description}" for f in ANALYSIS_FORMATS.values())
        + "; or the recording's name"
    ),
]
_FILE_TYPES: dict[str, dict[str, object]] = {
    **{f.media_type.partition(";")[0]: {} for f in ANALYSIS_FORMATS.values()},
    "*/*": {},
}
_RECORDING_POLICY = "default-src 'none'; media-src 'self'; sandbox"
_PAGE_POLICY = "frame-ancestors 'none'"  # the page itself has a policy for loading
_BINARY = {"contentMediaType": "application/octet-stream"}  # without "type": any bytes
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            FORM: {
                "schema": {
                    "type": "object",
                    "properties": {
                        "recording": _BINARY,
                        "subtitles": _BINARY,
                        **SetFields.model_json_schema()["properties"],
                    },
                    "required": ["recording"],
                    "additionalProperties": False,
                },
                "encoding": {"recording": {"contentType": "application/octet-stream"}},
            }
        },
    }
}


class JobAnswer(BaseModel):
    """A job: ``done`` of ``total`` utterances of ``stage``, ``ahead`` jobs before it.

    A ``partial`` job has results, but some parts failed; ``reasons`` says which and why. For a
    failed job, ``reasons`` says why it failed; ``reason`` is the same as one text. ``files`` are
    the URLs of its results by format, and of the recording by name; ``expires`` is the number of
    seconds until they are deleted.
    """

    id: str
    name: str
    state: Literal["queued", "running", "done", "partial", "failed"]
    stage: str | None
    done: int
    total: int
    ahead: int
    reason: str | None
    reasons: list[str]
    expires: float | None
    files: dict[str, str]


def _describe_job(service: Service, job: Job) -> JobAnswer:
    """Describe a job for its owner."""
    address = f"{service.settings.root_path}/v1/jobs/{job.id}/files"
    has_files = job.has_results and (service.jobs.folder(job.id) / "results").is_dir()
    names = [*ANALYSIS_FORMATS, quote(job.name, safe="")] if has_files else []
    now = service.jobs.database.now
    remaining = None if job.ended is None else job.ended + service.settings.keep - now()
    return JobAnswer(
        id=job.id,
        name=job.name,
        state="queued" if job.state == "uploading" else job.state,
        stage=job.stage,
        done=job.done,
        total=job.total,
        ahead=service.jobs.ahead(job) if job.state == "queued" else 0,
        reason=" ".join(job.reasons) or None,
        reasons=job.reasons,
        expires=None if remaining is None else max(0.0, round(remaining, 1)),
        files={unquote(name): f"{address}/{name}" for name in names},
    )


def find_job(service: Service, job_id: str) -> Job:
    """Find the job with this id; HTTPException 404."""
    job = service.jobs.get(job_id)
    if job is None or job.state == "uploading":
        raise HTTPException(404, "No such job, or it has expired; start a new one.")
    return job


def reserve_job(service: Service) -> str:
    """Reserve a place in the queue before the upload; HTTPException 429."""
    job = service.jobs.reserve()
    if job is None:
        detail = "The queue is full; try again in a minute."
        raise HTTPException(429, detail, headers={"Retry-After": "60"})
    return job


def _read_sets(service: Service, values: Mapping[str, str]) -> SetRequest | None:
    """Read the prediction sets requested in a form.

    RequestValidationError for invalid values, InputError if the model has no scores for sets.
    """
    try:
        sets = SetFields.model_validate_strings(values).set_request
    except ValidationError as error:
        details = [item | {"loc": ("form", *item["loc"])} for item in error.errors()]
        raise RequestValidationError(details) from error
    if sets is not None:
        check_set_request(service.predictor.model, sets, service.predictor.name)
    return sets


def accept_job(
    service: Service, job: str, name: str, response: Response, sets: SetRequest | None = None
) -> JobAnswer:
    """Queue an uploaded job, durably."""
    if sets is not None:
        JobOrder(sets=sets).write(service.jobs.folder(job))
    service.jobs.accept(job, name)
    response.headers["Location"] = f"{service.settings.root_path}/v1/jobs/{job}"
    return _describe_job(service, find_job(service, job))


@router.post(
    "",
    status_code=202,
    openapi_extra=_UPLOAD_BODY,
    responses=problem_responses(400, 401, 403, 408, 413, 415, 422, 429, 503, 507),
)
async def _upload(request: Request, response: Response, service: ServiceDependency) -> JobAnswer:
    """Upload a film or sound file (``recording``) and optionally its ``subtitles``.

    ``sets`` (such as 0.9), ``class_conditional`` and ``most_labels`` request prediction sets, as
    for predictions.
    """
    settings = service.settings
    async with receiving_rest(request):
        with translate_storage_errors():
            job = await run_sync(reserve_job, service)
            try:
                upload = await receive(
                    request,
                    service.jobs.folder(job),
                    largest=settings.largest_upload,
                    longest=settings.longest_upload,
                    check=partial(_read_sets, service),
                )
                sets = _read_sets(service, upload.values)
                return await run_sync(accept_job, service, job, upload.name, response, sets)
            except BaseException:
                with CancelScope(shield=True):
                    await run_sync(service.jobs.remove, job)
                raise


@router.post(
    "/example", status_code=202, responses=problem_responses(401, 403, 404, 422, 429, 503, 507)
)
def example(
    response: Response,
    service: ServiceDependency,
    sets: Annotated[float | None, Query(gt=0, lt=1, description="Level of prediction sets")] = None,
) -> JobAnswer:
    """Analyse the example film."""
    film = service.settings.example
    if film is None:
        raise HTTPException(404, "This service has no example film; upload a recording.")
    request = _read_sets(service, {} if sets is None else {"sets": f"{sets}"})
    with translate_storage_errors():
        job = reserve_job(service)
        folder = service.jobs.folder(job)
        try:
            shutil.copyfile(film, folder / "recording")
            shutil.copyfile(film.with_suffix(".srt"), folder / "subtitles.srt")
            return accept_job(service, job, film.name, response, request)
        except BaseException:
            service.jobs.remove(job)
            raise


@router.get("/{job}", responses=problem_responses(401, 404, 422))
def get_job(job: JobId, service: ServiceDependency) -> JobAnswer:
    """Get the progress of a job, and the URLs of its files once it is done."""
    return _describe_job(service, find_job(service, job))


@router.delete("/{job}", status_code=204, responses=problem_responses(401, 403, 404, 422))
def delete_job(job: JobId, service: ServiceDependency) -> None:
    """Delete a job with its recording and results immediately."""
    find_job(service, job)
    service.jobs.remove(job)


@router.get(
    "/{job}/files/{name}",
    response_class=FileResponse,
    responses={
        200: {"content": _FILE_TYPES, "description": "The file; ranges are supported"},
        206: {"content": _FILE_TYPES, "description": "A range of the file"},
        416: {"content": {"*/*": {}}, "description": "Not a range of this file"},
        **problem_responses(400, 401, 404, 409, 422),
    },
)
def get_file(job: JobId, name: _FileName, service: ServiceDependency) -> FileResponse:
    """Get a result by format (``html`` is the page), or the recording by name."""
    owner = find_job(service, job)
    if name not in {*ANALYSIS_FORMATS, owner.name}:
        raise HTTPException(404, "No such file; the job lists its files.")
    if not owner.has_results:
        raise HTTPException(409, "The job is not done; try again later.")
    folder = service.jobs.folder(job)
    recording, result = folder / "recording", folder / "results" / f"result.{name}"
    if not (recording if name == owner.name else result).is_file():
        raise HTTPException(404, "The job is being deleted; start a new one.")
    if name == owner.name:
        headers = {"Content-Security-Policy": _RECORDING_POLICY}
        return FileResponse(recording, media_type=media_type(name), headers=headers)
    return FileResponse(
        result,
        media_type=ANALYSIS_FORMATS[name].media_type,
        filename=f"{result_stem(owner.name)}.{name}",
        content_disposition_type="inline" if name == "html" else "attachment",
        headers={"Content-Security-Policy": _PAGE_POLICY},
    )
