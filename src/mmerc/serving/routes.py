"""Predictions, the page, and monitoring."""

from __future__ import annotations

from typing import Annotated, Literal

from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import BaseModel, Field

from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.access import COOKIE, cookie_token, has_key, is_key
from mmerc.serving.page import PAGE, SCRIPT, STYLE
from mmerc.serving.problems import problem_responses
from mmerc.serving.readiness import ReadyAnswer
from mmerc.serving.service import ServiceDependency
from mmerc.serving.transcripts import PredictAnswer, PredictRequest, read_request
from mmerc.version import __version__

router = APIRouter()


class _Health(BaseModel):
    """The service answers."""

    status: Literal["ok"] = "ok"


class Format(BaseModel):
    """A result format; ``name`` is the key in a job's files."""

    name: str
    media_type: str
    description: str


class About(BaseModel):
    """Information for the page; sizes in bytes, times in seconds.

    ``key``: the client must send a key. ``sets``: the model has prediction sets. ``live``: live
    sessions are offered.
    """

    version: str
    model: str
    largest_upload: int
    longest_recording: float
    keep: float
    example: bool
    key: bool
    sets: bool
    live: bool
    formats: list[Format]


class Session(BaseModel):
    """The key, stored in the browser as a cookie that scripts cannot read."""

    key: Annotated[str, Field(max_length=1000)]


@router.post(
    "/v1/predict",
    tags=["predictions"],
    responses=problem_responses(400, 401, 403, 413, 422, 429, 503),
)
async def _predict(body: PredictRequest, service: ServiceDependency) -> PredictAnswer:
    """Predict the emotions of conversations from text, audio and video features, or a subset."""
    conversations, tables = await run_sync(read_request, body)
    predictions = await service.predictor(conversations, tables, body.set_request)
    service.metrics.predicted.inc(len(predictions))
    predictor = service.predictor
    return PredictAnswer(
        model=predictor.name, labels=tuple(predictor.model.labels), predictions=predictions
    )


@router.get("/v1/about", tags=["service"])
def about(request: Request, service: ServiceDependency) -> About:
    """Get limits, model, and result formats."""
    settings = service.settings
    return About(
        version=__version__,
        model=service.predictor.name,
        largest_upload=settings.largest_upload,
        longest_recording=settings.longest_recording,
        keep=settings.keep,
        example=settings.example is not None,
        key=not has_key(settings, request.headers),
        sets=service.predictor.model.set_scores is not None,
        live=settings.live.sessions > 0,
        formats=[
            Format(name=item.name, media_type=item.media_type, description=item.description)
            for item in ANALYSIS_FORMATS.values()
        ],
    )


@router.post(
    "/session",
    status_code=204,
    tags=["service"],
    responses=problem_responses(400, 401, 403, 413, 422),
)
def session(body: Session, response: Response, service: ServiceDependency) -> None:
    """Store the key in the browser as a cookie."""
    key = service.settings.key
    if key is None:
        return
    if not is_key(key, body.key):
        raise HTTPException(401, "The key is wrong; ask the operator of the service.")
    path = service.settings.root_path or "/"
    response.set_cookie(COOKIE, cookie_token(key), path=path, httponly=True, samesite="strict")


@router.get("/health", tags=["service"])
async def _health() -> _Health:
    """Check that the process answers; see /ready for whether it can work."""
    return _Health()


@router.get(
    "/ready",
    tags=["service"],
    responses={503: {"model": ReadyAnswer, "description": "A part does not work, and why"}},
)
async def _ready(response: Response, service: ServiceDependency) -> ReadyAnswer:
    """Test every part: model, live sessions, disk, workers and transcriber."""
    answer = await service.readiness()
    for name, part in answer.parts.items():
        service.metrics.ready.labels(name).set(part.ok)
    response.status_code = 200 if answer.status == "ready" else 503
    return answer


@router.get(
    "/metrics", tags=["service"], response_class=PlainTextResponse, responses=problem_responses(401)
)
def metrics(service: ServiceDependency) -> Response:
    """Metrics for Prometheus."""
    return Response(generate_latest(service.metrics.registry), media_type=CONTENT_TYPE_LATEST)


@router.get("/", include_in_schema=False)
async def _page() -> Response:
    """The web page."""
    return Response(PAGE, media_type="text/html; charset=utf-8")


@router.get("/page.css", include_in_schema=False)
async def _style() -> Response:
    """The page's style sheet."""
    return Response(STYLE, media_type="text/css; charset=utf-8")


@router.get("/page.js", include_in_schema=False)
async def _script() -> Response:
    """The page's script."""
    return Response(SCRIPT, media_type="text/javascript; charset=utf-8")
