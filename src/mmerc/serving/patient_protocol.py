"""Connections that are closed when their client sends no request, or reads no answer.

uvicorn waits without end for both: a thousand connections on which a byte comes or goes now and
then (slowloris) would keep everybody else out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_HEADERS = 10.0  # seconds for a request's headers, from the connection or the last response
_UNREAD = 300.0  # seconds without room for more of a response; a browser may pause a film
_CLOSING = 15.0  # seconds for what was sent before the close of a WebSocket


@dataclass
class _Deadline:
    """Calls a function once, unless it is stopped before."""

    timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        """Start counting, unless that has begun."""
        if self.timer is None:
            self.timer = asyncio.get_running_loop().call_later(seconds, action)

    def stop(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with deadlines."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._headers, self._reader = _Deadline(), _Deadline()
        super().connection_made(transport)
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._expect_headers()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._expect_headers()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reader.start(_UNREAD, self.transport.abort)

    def resume_writing(self) -> None:
        self._reader.stop()
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._headers.stop()
        self._reader.stop()
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        """Count the time while headers are missing."""
        if self.conn.their_state is h11.IDLE:
            self._headers.start(_HEADERS, self.transport.close)
        else:
            self._headers.stop()


class PatientSocket(WebSocketsSansIOProtocol):
    """A WebSocket that is gone some time after the application has closed it."""

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(_CLOSING, self.transport.abort)
