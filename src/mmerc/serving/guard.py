"""The outermost layer: access, body size, proxy prefix, headers and metrics."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmerc.serving.access import SAFE_METHODS, check_access
from mmerc.serving.monitoring import Metrics
from mmerc.serving.problems import problem_response
from mmerc.serving.settings import Settings

_LOG = logging.getLogger("mmerc.serving")
_MAX_BODY = 8_000_000  # bytes, except for uploads
_BODY_PATIENCE = 60.0  # seconds until such a body must be complete
_UPLOADS = "/v1/jobs"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": _POLICY,
}


@dataclass
class Guard:
    """Wraps the application: checks every request and catches all exceptions."""

    app: ASGIApp
    settings: Settings
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self.serve_socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started, status = time.perf_counter(), 0
        path = _route_path(scope["path"], self.settings.root_path)
        scope = _add_prefix(scope, path, self.settings.root_path)

        async def respond(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                self.count(scope, status, time.perf_counter() - started)
            await send(message)

        try:
            headers = Headers(scope=scope)
            check_access(self.settings, headers, method=scope["method"], path=path or "/")
            upload = (scope["method"], path) == ("POST", _UPLOADS)
            await self.app(scope, receive if upload else _limit_body(receive), respond)
        except ClientDisconnect:
            self.count(scope, 499, time.perf_counter() - started)
        except HTTPException as error:
            response = problem_response(error.status_code, error.detail, headers=error.headers)
            await response(scope, receive, respond)
        except Exception as error:  # already answered; a traceback may contain uploaded content
            _LOG.error("%s fails: %s", _route_pattern(scope), type(error).__name__)

    async def serve_socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check access to a WebSocket; refusals are HTTP responses instead of the handshake."""
        path = _route_path(scope["path"], self.settings.root_path)
        scope = _add_prefix(scope, path, self.settings.root_path)
        started = time.perf_counter()
        try:
            headers = Headers(scope=scope)
            check_access(self.settings, headers, method="WEBSOCKET", path=path or "/")
            await self.app(scope, receive, send)
            seconds = time.perf_counter() - started
            _LOG.info("socket %s closed after %.1f s", _route_pattern(scope), seconds)
        except HTTPException as error:
            _LOG.info("socket refused: %d", error.status_code)
            response = problem_response(error.status_code, error.detail, headers=error.headers)
            await response(scope, receive, send)
        except Exception as error:  # a traceback may contain spoken words
            _LOG.error("%s fails: %s", _route_pattern(scope), type(error).__name__)

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log a request by route, because paths contain names."""
        route = _route_pattern(scope)
        method = (
            scope["method"] if scope["method"] in {*SAFE_METHODS, "POST", "DELETE"} else "other"
        )
        self.metrics.requests.labels(method, route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        _LOG.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)


def _route_path(path: str, root_path: str) -> str:
    """Return the path without the prefix, which a proxy may have removed already."""
    if root_path and (path == root_path or path.startswith(f"{root_path}/")):
        return path.removeprefix(root_path)
    return path


def _add_prefix(scope: Scope, path: str, root_path: str) -> Scope:
    """Add the prefix to the scope as ASGI defines it: ``path`` includes ``root_path``."""
    return {**scope, "path": root_path + path, "root_path": root_path} if root_path else scope


def _route_pattern(scope: Scope) -> str:
    """Return the pattern of the route, or "none"."""
    return str(getattr(scope.get("route"), "path", "none"))


def _limit_body(receive: Receive) -> Receive:
    """Receive a body within the limits; HTTPException 413 or 408 otherwise."""
    size, complete = 0, False
    deadline = asyncio.get_running_loop().time() + _BODY_PATIENCE

    async def receive_limited() -> Message:
        nonlocal size, complete
        try:
            async with asyncio.timeout_at(None if complete else deadline):
                message = await receive()
        except TimeoutError as error:
            raise HTTPException(408, "The body took too long; send it faster.") from error
        size, complete = size + len(message.get("body", b"")), not message.get("more_body")
        if size > _MAX_BODY:
            raise HTTPException(
                413, f"The body is larger than {_MAX_BODY} bytes; send it in parts."
            )
        return message

    return receive_limited
