"""Close connections of clients that send no request or read no answer.

uvicorn waits forever for both, so a thousand very slow connections (slowloris) would block all
other clients.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

_HEADERS = 10.0  # seconds for a request's headers, since the connection or the last response
_UNREAD = 300.0  # seconds that a client may not read; a browser may pause a film
_CLOSING = 15.0  # seconds to deliver remaining data after the close of a WebSocket


@dataclass
class _Deadline:
    """Calls a function after a time, unless stopped before."""

    timer: asyncio.TimerHandle | None = None

    def start(self, seconds: float, action: Callable[[], None]) -> None:
        """Start the timer, unless it is running."""
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
        """Run the timer while headers are missing."""
        if self.conn.their_state is h11.IDLE:
            self._headers.start(_HEADERS, self.transport.close)
        else:
            self._headers.stop()


class PatientSocket(WebSocketsSansIOProtocol):
    """A WebSocket with a time limit for closing."""

    async def run_asgi(self) -> None:
        await super().run_asgi()
        self.loop.call_later(_CLOSING, self.transport.abort)
