"""Access control: host names, cross-site requests, and the API key."""

from __future__ import annotations

import hmac
from http.cookies import CookieError, SimpleCookie
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

from mmerc.serving.settings import Settings

COOKIE = "mmerc_key"
SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
_PUBLIC_PATHS = {
    *("/", "/page.css", "/page.js", "/v1/about", "/session", "/openapi.json", "/health", "/ready"),
    "/v1/live/asyncapi.json",
}
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def check_access(settings: Settings, headers: Headers, *, method: str, path: str) -> None:
    """HTTPException for a foreign host name, a cross-site request, or a wrong key.

    ``path`` has no proxy prefix. A WebSocket has the method "WEBSOCKET": browsers let pages of
    other sites open one.
    """
    host = _host_name(headers.get("host", ""))
    if settings.hosts is not None and host not in settings.hosts:
        detail = "This host name is not accepted; use the service's own, or allow it when starting."
        raise HTTPException(400, detail)
    if method not in SAFE_METHODS and not _is_same_origin(headers):
        detail = "A page of another site may not use this service; a proxy must forward the host."
        raise HTTPException(403, detail)
    if path not in _PUBLIC_PATHS and not has_key(settings, headers):
        detail = "The key is missing or wrong; send Authorization: Bearer KEY."
        raise HTTPException(401, detail, headers={"WWW-Authenticate": "Bearer"})


def _is_same_origin(headers: Headers) -> bool:
    """Whether a request comes from our own page, or not from a page at all.

    On trustworthy connections browsers say so (Fetch Metadata). Otherwise the page's origin must be
    the requested host; behind a proxy, the forwarded host, which pages of other sites cannot set.
    """
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in {"same-origin", "none"}
    origin = headers.get("origin")
    if origin is None:
        return True
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    port = _DEFAULT_PORTS.get(parts.scheme, "")
    hosts = {headers.get("host", ""), headers.get("x-forwarded-host", "")} - {""}
    return parts.netloc.lower().removesuffix(port) in {
        host.strip().lower().removesuffix(port) for host in hosts
    }


def has_key(settings: Settings, headers: Headers) -> bool:
    """Whether the key is present as bearer token or cookie, or not needed."""
    scheme, _, bearer = headers.get("authorization", "").partition(" ")
    if settings.key is None or (scheme.lower() == "bearer" and is_key(settings.key, bearer)):
        return True
    return is_key(cookie_token(settings.key), _read_cookie(headers))


def is_key(key: str, candidate: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(candidate.strip().encode("utf-8", "replace"), key.encode())


def cookie_token(key: str) -> str:
    """Return the token that represents the key in a cookie."""
    return hmac.digest(key.encode(), COOKIE.encode(), "sha256").hex()


def _read_cookie(headers: Headers) -> str:
    try:
        morsel = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _host_name(host: str) -> str:
    """Return a Host header without its port; empty if it is invalid."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
