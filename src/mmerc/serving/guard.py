"""Around every answer: who may ask, how much, what is counted, and what no answer is without."""

from __future__ import annotations

import hmac
import logging
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmerc.serving.monitoring import Metrics
from mmerc.serving.problems import problem
from mmerc.serving.settings import Settings

LOG = logging.getLogger("mmerc.serving")
LARGEST_BODY = 8_000_000  # bytes of a body that is no upload
COOKIE = "mmerc_key"
UPLOADS = "/v1/jobs"
OPEN = {"/", "/page.css", "/page.js", "/health", "/v1/about", "/session", "/openapi.json"}
SAFE = {"GET", "HEAD", "OPTIONS"}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Content-Security-Policy": POLICY,
}


@dataclass
class Guard:
    """The outermost part of the service: nothing that goes wrong inside comes out as itself."""

    app: ASGIApp
    settings: Settings
    metrics: Metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                self.count(scope, status, time.perf_counter() - begun)
            await send(message)

        try:
            self.check(scope)
            await self.app(scope, limited(scope, receive), answer)
        except ClientDisconnect:
            self.count(scope, 499, time.perf_counter() - begun)
        except HTTPException as error:
            refused = problem(error.status_code, error.detail, headers=error.headers)
            await refused(scope, receive, answer)
        except Exception as error:  # it was answered; a traceback might hold what was uploaded
            LOG.error("%s fails: %s", route_of(scope), type(error).__name__)

    def check(self, scope: Scope) -> None:
        """Refuse a host that is not ours, a page of another site, a missing or wrong key."""
        headers = Headers(scope=scope)
        asked = host_of(f"//{headers.get('host', '')}")
        if self.settings.hosts is not None and asked not in self.settings.hosts:
            raise HTTPException(400, "The service is not known by this host name; use its own.")
        origin = headers.get("origin")
        foreign = origin is not None and place_of(origin) != headers.get("host", "")
        if foreign and scope["method"] not in SAFE:
            raise HTTPException(403, "A page of another site may not ask this service.")
        if scope["path"] not in OPEN and not knows_key(self.settings, headers):
            detail = "The key is missing or wrong; send Authorization: Bearer KEY."
            raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count and log a request by its route: paths hold names."""
        route = route_of(scope)
        method = scope["method"] if scope["method"] in {*SAFE, "POST", "DELETE"} else "other"
        self.metrics.requests.labels(method, route, status).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        LOG.info("%s %s %d %.0f ms", method, route, status, 1000 * seconds)


def knows_key(settings: Settings, headers: Headers) -> bool:
    """Whether the key comes as a bearer's, or its trace as the page's cookie, or none is needed."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if settings.key is None or (scheme.lower() == "bearer" and is_key(settings.key, bearer)):
        return True
    return is_key(trace(settings.key), cookie_of(headers))


def is_key(key: str, given: str) -> bool:
    """Compare in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.strip().encode("utf-8", "replace"), key.encode())


def trace(key: str) -> str:
    """What stands for the key in a cookie."""
    return hmac.digest(key.encode(), COOKIE.encode(), "sha256").hex()


def cookie_of(headers: Headers) -> str:
    """The page's key."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found else ""


def host_of(url: str) -> str:
    """The host without its port; nothing for what is no host."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def place_of(origin: str) -> str:
    """Host and port of an origin; nothing for what is none."""
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


def route_of(scope: Scope) -> str:
    """The route's pattern; what matches none is all the same."""
    return str(getattr(scope.get("route"), "path", "none"))


def limited(scope: Scope, receive: Receive) -> Receive:
    """Refuse a body that goes on for too long; uploads have limits of their own."""
    if scope["path"] == UPLOADS:
        return receive
    read = 0

    async def counted() -> Message:
        nonlocal read
        message = await receive()
        read += len(message.get("body", b""))
        if read > LARGEST_BODY:
            raise HTTPException(
                413, f"The body is larger than {LARGEST_BODY} bytes; send it in parts."
            )
        return message

    return counted
