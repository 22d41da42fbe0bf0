"""Routes for correcting an analysis: page, lines, and corrected files."""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from mmerc.errors import InputError
from mmerc.inference.correction.correction_log import ConflictError
from mmerc.inference.correction.edited_results import (
    CORRECTIONS,
    LABELS,
    build_edited_analysis,
    list_corrections,
    list_labels,
)
from mmerc.inference.correction.edits import Edit, LabelEdit, Name
from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.correction_answers import (
    ConflictAnswer,
    CorrectionsAnswer,
    describe_conflict,
    describe_corrections,
)
from mmerc.serving.correction_desk import Desk, OpenDesks
from mmerc.serving.file_names import media_type, result_stem
from mmerc.serving.job_routes import JobId, find_job
from mmerc.serving.page import CORRECTION_PAGE, CORRECTION_SCRIPT, CORRECTION_STYLE
from mmerc.serving.problems import problem_responses, storage_exception
from mmerc.serving.service import Service

_LISTS = {CORRECTIONS: list_corrections, LABELS: list_labels}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "media-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_RECORDING_POLICY = "default-src 'none'; media-src 'self'; sandbox"
_LABELLING = frozenset({"label", "undo", "redo"})  # edits allowed for a sample
_Rater = Annotated[str, Query(max_length=60)]
_Blind = Annotated[bool, Query(description="Hide predictions and labels of others")]
_EXTENSION = 30.0  # seconds between two extensions of a job's expiry
_Revision = Annotated[int, Field(ge=0)]
router = APIRouter(prefix="/v1/jobs/{job}", tags=["corrections"])


class CorrectionRequest(BaseModel):
    """A correction with its rater, and the latest ``revision`` that they have seen.

    ``key`` makes the request idempotent. ``blind`` only affects the answer.
    """

    model_config = ConfigDict(extra="forbid")
    rater: Annotated[Name, Field(max_length=60)]
    revision: _Revision
    key: Annotated[str, Field(min_length=8, max_length=64, pattern="^[0-9A-Za-z-]+$")]
    blind: bool = False
    edit: Edit


def _get_desk(job: JobId, request: Request) -> Desk:
    """Find the requested analysis; HTTPException 404 or 409."""
    desk: Desk = request.app.state.find_desk(job)
    return desk


_DeskDependency = Annotated[Desk, Depends(_get_desk)]


@router.get("/corrections", responses=problem_responses(401, 404, 409, 422))
def get_corrections(
    desk: _DeskDependency,
    since: Annotated[int | None, Query(ge=0, description="A revision; without it, all")] = None,
    rater: _Rater = "",
    blind: _Blind = False,
) -> CorrectionsAnswer:
    """Get the lines of an analysis with all corrections, or the changes since a revision."""
    desk.log.refresh()
    return describe_corrections(desk, since=since, rater=rater, blind=blind)


@router.post(
    "/corrections",
    response_model=CorrectionsAnswer,
    responses={
        **problem_responses(400, 401, 403, 404, 413, 422, 503, 507),
        409: {"model": ConflictAnswer, "description": "Somebody corrected the same line"},
    },
)
def correct(body: CorrectionRequest, desk: _DeskDependency) -> CorrectionsAnswer | Response:
    """Accept a correction once it is on disk; answer the changes since its revision."""
    edit, blind = body.edit, body.blind or desk.sample is not None
    if desk.sample is not None:
        if edit.kind not in _LABELLING:
            raise HTTPException(422, "Lines of a sample are only labelled; correct the analysis.")
        edit = edit.model_copy(update={"blind": True}) if isinstance(edit, LabelEdit) else edit
    try:
        desk.log.append(edit, rater=body.rater, revision=body.revision, key=body.key)
    except ConflictError as error:
        conflict = describe_conflict(error.corrections, body.rater, blind=blind)
        return JSONResponse(conflict.model_dump(), status_code=409)
    desk.on_change()
    return describe_corrections(desk, since=body.revision, rater=body.rater, blind=body.blind)


@router.get(
    "/corrected/{name}",
    response_class=Response,
    responses={
        200: {"content": {"*/*": {}}, "description": "The file"},
        **problem_responses(401, 404, 409, 422),
    },
)
def get_corrected_file(
    name: str, desk: _DeskDependency, rater: _Rater = "", blind: _Blind = False
) -> Response:
    """Get a corrected result by format, `corrections.csv` or `labels.csv`.

    If `rater` is blind, the two lists contain only their own work. Raters of samples are blind.
    """
    desk.log.refresh()
    if name in _LISTS:
        content, kind = _write_list(name, desk, rater, blind=blind), "text/csv; charset=utf-8"
    elif name in ANALYSIS_FORMATS and desk.sample is None:
        form = ANALYSIS_FORMATS[name]
        content, kind = form.write(build_edited_analysis(desk.log)), form.media_type
    else:
        raise HTTPException(404, "No such file; name a format, or corrections.csv.")
    place = f"attachment; filename*=UTF-8''{quote(f'{desk.stem}.{name}', safe='')}"
    body = content.encode("utf-8", "replace")
    return Response(body, media_type=kind, headers={"Content-Disposition": place})


def _write_list(name: str, desk: Desk, rater: str, *, blind: bool) -> str:
    """Write a list of corrections or labels; HTTPException 422 for a nameless blind rater."""
    blind = blind or desk.sample is not None
    if blind and not rater:
        raise HTTPException(422, "Say whose list, such as rater=Ann: blind raters see their own.")
    if desk.sample is not None and name == LABELS:
        return desk.sample.list_labels(desk.log, rater=rater)
    return _LISTS[name](desk.log, rater=rater if blind else None)


@router.get(
    "/recording",
    response_class=FileResponse,
    responses={
        200: {"content": {"*/*": {}}, "description": "The recording; ranges are supported"},
        206: {"content": {"*/*": {}}, "description": "A range of it"},
        416: {"content": {"*/*": {}}, "description": "Not a range of it"},
        **problem_responses(400, 401, 404, 409, 422),
    },
)
def get_recording(
    desk: _DeskDependency,
    conversation: Annotated[str | None, Query(description="Of a sample: whose recording")] = None,
) -> FileResponse:
    """The recording."""
    path = desk.find_recording(conversation)
    if path is None:
        raise HTTPException(404, "The recording is not next to the analysis.")
    kind = media_type(desk.log.analysis.recording if desk.sample is None else path.name)
    headers = {"Content-Security-Policy": _RECORDING_POLICY}
    return FileResponse(path, media_type=kind, headers=headers)


@router.get("/correct", include_in_schema=False)
def get_page(desk: _DeskDependency) -> Response:
    """The page."""
    headers = {"Content-Security-Policy": _POLICY}
    return Response(CORRECTION_PAGE, media_type="text/html; charset=utf-8", headers=headers)


@router.get("/correct.css", include_in_schema=False)
def get_style() -> Response:
    """The page's style sheet."""
    return Response(CORRECTION_STYLE, media_type="text/css; charset=utf-8")


@router.get("/correct.js", include_in_schema=False)
def get_script() -> Response:
    """The page's script."""
    return Response(CORRECTION_SCRIPT, media_type="text/javascript; charset=utf-8")


@dataclass
class JobDesks:
    """Finds the desk of a finished job; every correction resets the job's expiry."""

    service: Service
    desks: OpenDesks = field(default_factory=OpenDesks)
    extended: dict[str, float] = field(default_factory=dict)

    def __call__(self, job: str) -> Desk:
        owner, folder = find_job(self.service, job), self.service.jobs.folder(job)
        if not (folder / "results").is_dir():
            raise HTTPException(409, "The job is not done; try again later.")
        stem = result_stem(owner.name)
        try:
            return self.desks.get(job, folder, stem=stem, on_change=lambda: self.extend(job))
        except InputError as error:
            if isinstance(error.__cause__, OSError | sqlite3.Error):
                raise storage_exception(error) from error
            raise HTTPException(422, str(error).replace(f"{folder}/", "")) from error

    def extend(self, job: str) -> None:
        """Reset the expiry of a job."""
        now, jobs = time.monotonic(), self.service.jobs
        recent = {key: t for key, t in list(self.extended.items()) if now - t < _EXTENSION}
        if job not in recent:
            jobs.change(job, "ended = ?", (jobs.database.now(),))
            recent[job] = now
        self.extended = recent
