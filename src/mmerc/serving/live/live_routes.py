"""Routes for live sessions: WebSocket, protocol description, and results."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

from anyio.to_thread import run_sync
from fastapi import APIRouter, HTTPException, Path, Response, WebSocket

from mmerc.files import encodable
from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.file_names import result_stem
from mmerc.serving.live.asyncapi import LIVE_PATH, describe_protocol
from mmerc.serving.live.client_messages import SESSION_ID
from mmerc.serving.live.connection import Connection
from mmerc.serving.live.live_sessions import LiveSessions
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.problems import problem_response, problem_responses
from mmerc.serving.service import Service, ServiceDependency

router = APIRouter(prefix=LIVE_PATH, tags=["live"])
_MAX_CONNECTIONS = 100
_SessionId = Annotated[str, Path(pattern=SESSION_ID)]
_Format = Annotated[
    str,
    Path(description="; ".join(f"`{f.name}`: {f.description}" for f in ANALYSIS_FORMATS.values())),
]
_FILE_TYPES: dict[str, dict[str, object]] = {
    f.media_type.partition(";")[0]: {} for f in ANALYSIS_FORMATS.values()
}
_PAGE_POLICY = "frame-ancestors 'none'"  # the page itself has a policy for loading


@router.websocket("")
async def _live(websocket: WebSocket) -> None:
    """Serve a session, unless there are too many connections."""
    service: Service = websocket.app.state.service
    sessions = service.live
    if sessions.connections >= _MAX_CONNECTIONS:
        detail = "Too many live connections; try again in a minute."
        await websocket.send_denial_response(problem_response(503, detail))
        return
    sessions.connections += 1
    try:
        await Connection(websocket, sessions).serve()
    finally:
        sessions.connections -= 1


@router.get("/asyncapi.json")
async def _describe(service: ServiceDependency) -> dict[str, Any]:
    """Get the protocol of `/v1/live` (WebSocket) as an AsyncAPI document with examples."""
    return describe_protocol(service.settings.root_path)


@router.get(
    "/{session}/files/{name}",
    response_class=Response,
    responses={
        200: {"content": _FILE_TYPES, "description": "The file"},
        **problem_responses(400, 401, 404, 409, 422),
    },
)
async def _get_result(session: _SessionId, name: _Format, service: ServiceDependency) -> Response:
    """Get a result of an ended live session by format; results are only in memory."""
    return await run_sync(_write_result, service.live, session, name)


def _write_result(sessions: LiveSessions, session: str, name: str) -> Response:
    try:
        owner = sessions.find(session)
    except RefusedError as refusal:
        raise HTTPException(404, refusal.message) from refusal
    form = ANALYSIS_FORMATS.get(name)
    if form is None:
        raise HTTPException(404, "No such format; the session's end lists them.")
    if owner.analysis is None:
        raise HTTPException(409, "The session has not ended, or it failed; try again later.")
    headers = {"Content-Security-Policy": _PAGE_POLICY}
    stem = quote(result_stem(owner.analysis.recording), safe="")
    kind = "inline" if name == "html" else "attachment"
    headers["Content-Disposition"] = f"{kind}; filename*=utf-8''{stem}.{name}"
    text = encodable(form.write(owner.analysis))
    return Response(text.encode(), media_type=form.media_type, headers=headers)
