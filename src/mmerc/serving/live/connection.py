"""One WebSocket: passes messages to the session and events to the client."""

from __future__ import annotations

import asyncio
import base64
import binascii
from contextlib import suppress
from dataclasses import dataclass, field

from fastapi import WebSocket, WebSocketDisconnect

from mmerc.files import encodable
from mmerc.inference.page.data import label_data
from mmerc.serving.live.client_messages import (
    ClientWords,
    End,
    Picture,
    Resume,
    Start,
    read_message,
)
from mmerc.serving.live.hosted_session import HostedSession
from mmerc.serving.live.jpeg_frames import LARGEST_PICTURE, MOST_PIXELS
from mmerc.serving.live.live_limits import LARGEST_MESSAGE, PICTURES_PER_SECOND, LiveLimits
from mmerc.serving.live.live_sessions import LiveSessions
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.server_messages import EmotionLabel, ErrorMessage, SessionLimits, Started
from mmerc.serving.live.session_worker import SessionInput, TimedPicture

_MAX_REFUSALS = 100  # refused messages per connection
_STUCK = 60.0  # seconds with a full queue until the session is aborted
_SLOW = 30.0  # seconds for a client to read a message
_NORMAL, _POLICY = 1000, 1008  # RFC 6455, section 7.4.1


@dataclass
class Connection:
    """Serves one socket until either side closes it."""

    socket: WebSocket
    sessions: LiveSessions
    session: HostedSession | None = None
    sent: int = 0  # sequence number of the last event sent
    refusals: int = 0
    picture_time: float | None = None
    displaced: asyncio.Event = field(default_factory=asyncio.Event)

    async def serve(self) -> None:
        """Open a session, then receive and send concurrently."""
        await self.socket.accept()
        # TimeoutError: the client does not read. RuntimeError: sending after a close.
        with suppress(WebSocketDisconnect, TimeoutError, RuntimeError):
            try:
                session, after = await self._open()
                await self._run(session, after)
            except RefusedError as refusal:
                await self._send_error(refusal)
                await self._close(_POLICY)

    async def _open(self) -> tuple[HostedSession, int]:
        """Open the session requested in the first message; also return the last event received."""
        patience = self.sessions.limits.patience
        while True:
            try:
                async with asyncio.timeout(patience):
                    message = await self._receive()
            except TimeoutError:
                problem = f"No start or resume came within {patience:g} seconds"
                raise RefusedError(
                    "idle", f"{problem}; connect again and send one first."
                ) from None
            try:
                return await self._open_session(message)
            except RefusedError as refusal:
                await self._refuse(refusal)

    async def _open_session(self, message: str | bytes) -> tuple[HostedSession, int]:
        parsed = read_message(message) if isinstance(message, str) else None
        if isinstance(parsed, Start):
            session, resumed, after = await self.sessions.start(parsed), False, 0
        elif isinstance(parsed, Resume):
            session, resumed, after = self.sessions.find(parsed.session), True, parsed.after
            if after > len(session.events):
                problem = f"The session has only {len(session.events)} events"
                raise RefusedError("session", f"{problem}; resume after the last one that you got.")
            if isinstance(session.connection, Connection):
                session.connection.displaced.set()
        else:
            fix = "send start or resume first"
            raise RefusedError("protocol", f"The session has not started; {fix}.", fatal=False)
        session.connection = self
        await self._send(describe_session(session, after=after, resumed=resumed).model_dump_json())
        return session, after

    async def _run(self, session: HostedSession, after: int) -> None:
        """Receive and send until the session ends, the client leaves or another one takes over."""
        self.session, self.sent = session, after
        tasks = [
            asyncio.create_task(self._receive_all(session)),
            asyncio.create_task(self._send_all(session)),
            asyncio.create_task(self.displaced.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        if self.displaced.is_set():
            raise RefusedError(
                "session", "The session was resumed by another connection; use that one."
            )
        for task in done:
            task.result()
        await self._close(_NORMAL)

    async def _receive_all(self, session: HostedSession) -> None:
        """Forward messages until the client leaves."""
        while True:
            message = await self._receive()
            try:
                item = self._read(message, session)
                if item is not None:
                    await self._offer(session, item)
            except RefusedError as refusal:
                await self._refuse(refusal)

    def _read(self, message: str | bytes, session: HostedSession) -> SessionInput | None:
        """Parse a message; return its input, if any."""
        if isinstance(message, bytes):
            return self._read_binary(message, session)
        parsed = read_message(message)
        if isinstance(parsed, (Start, Resume)):
            problem = "The session has already started"
            raise RefusedError(
                "protocol", f"{problem}; open a connection for another.", fatal=False
            )
        if isinstance(parsed, End):
            session.end("client")
            return None
        if not _is_open(session):
            return None
        if isinstance(parsed, ClientWords):
            if session.worker.start.words == "server":
                problem = "The service transcribes this session"
                fix = 'start with "words": "client" to send words'
                raise RefusedError("protocol", f"{problem}; {fix}.", fatal=False)
            return parsed
        return self._read_picture(parsed, session)

    def _read_binary(self, data: bytes, session: HostedSession) -> SessionInput | None:
        if not _is_open(session):
            return None
        if self.picture_time is None:
            return data
        time, self.picture_time = self.picture_time, None
        return _check_picture(TimedPicture(time, data))

    def _read_picture(self, message: Picture, session: HostedSession) -> SessionInput | None:
        if not session.worker.start.video:
            fix = 'start with "video": true to send pictures'
            raise RefusedError("protocol", f"The session has no video; {fix}.", fatal=False)
        if message.jpeg is None:
            self.picture_time = message.time
            return None
        try:
            data = base64.b64decode(message.jpeg, validate=True)
        except (binascii.Error, ValueError):
            fix = "encode the JPEG in Base64, or send it as a binary message"
            raise RefusedError("picture", f"A picture is not Base64; {fix}.", fatal=False) from None
        return _check_picture(TimedPicture(message.time, data))

    async def _offer(self, session: HostedSession, item: SessionInput) -> None:
        """Wait for space in the queue; reading pauses, and the client is notified."""
        try:
            async with asyncio.timeout(self.sessions.limits.patience):
                await session.room.wait()
        except TimeoutError:
            problem = "The service is behind and has stopped reading for now"
            fix = "send no faster than real time, or without video"
            await self._send_error(RefusedError("overloaded", f"{problem}; {fix}.", fatal=False))
            try:
                async with asyncio.timeout(_STUCK):
                    await session.room.wait()
            except TimeoutError:
                fix = "resume later, or try another service"
                raise RefusedError("overloaded", f"The service does not keep up; {fix}.") from None
        if session.connection is self:  # another connection may have taken over
            session.offer(item)

    async def _send_all(self, session: HostedSession) -> None:
        """Send missed events, then new ones, until the session ends."""
        seen = 0
        while True:
            changed, version = session.changed, session.version
            while self.sent < len(session.events):
                self.sent += 1
                await self._send(session.events[self.sent - 1])
            for number, text in list(session.latest.values()):
                if number > seen:
                    await self._send(text)
            seen = version
            if session.has_ended and self.sent == len(session.events):
                return
            await changed.wait()

    async def _receive(self) -> str | bytes:
        """Receive a message; RefusedError if too large, WebSocketDisconnect at the end."""
        message = await self.socket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1000))
        content: str | bytes = message.get("text") or message.get("bytes") or b""
        if len(content) > LARGEST_MESSAGE:
            problem = f"A message is larger than {LARGEST_MESSAGE:,} bytes"
            raise RefusedError("too_large", f"{problem}; send it in parts.")
        return content

    async def _refuse(self, refusal: RefusedError) -> None:
        """Answer an invalid message; too many of them are fatal."""
        self.refusals += 1
        if refusal.fatal:
            raise refusal
        if self.refusals >= _MAX_REFUSALS:
            problem = f"{_MAX_REFUSALS} messages could not be used"
            raise RefusedError("limit", f"{problem}; fix the client, and connect again.")
        await self._send_error(refusal)

    async def _send_error(self, refusal: RefusedError) -> None:
        message = ErrorMessage(
            sequence=self.sent,
            code=refusal.code,
            message=encodable(refusal.message),
            fatal=refusal.fatal,
        )
        await self._send(message.model_dump_json())

    async def _send(self, text: str) -> None:
        """Send a message; TimeoutError if the client does not read."""
        async with asyncio.timeout(_SLOW):
            await self.socket.send_text(text)

    async def _close(self, code: int) -> None:
        async with asyncio.timeout(_SLOW):
            await self.socket.close(code)


def _is_open(session: HostedSession) -> bool:
    """Whether a session accepts input; RefusedError if its client has ended it.

    Input sent before the client learns that the service ended the session is ignored.
    """
    if session.ending == "client":
        fix = "start another one"
        raise RefusedError("protocol", f"The session is ending; {fix}.", fatal=False)
    return session.ending is None


def _check_picture(picture: TimedPicture) -> TimedPicture:
    """RefusedError for a picture with too many bytes, before it is queued."""
    if len(picture.jpeg) > LARGEST_PICTURE:
        problem = f"A picture has {len(picture.jpeg):,} bytes"
        fix = f"send at most {LARGEST_PICTURE:,}"
        raise RefusedError("picture", f"{problem}; {fix}.", fatal=False)
    return picture


def describe_session(session: HostedSession, *, after: int, resumed: bool) -> Started:
    """Build the message for a started or resumed session."""
    model = session.worker.engine.components.model
    return Started(
        sequence=after,
        session=session.id,
        resumed=resumed,
        received=session.received,
        model=model.name,
        labels=[EmotionLabel.model_validate(item) for item in label_data(model.model.labels)],
        limits=_describe_limits(session.limits),
    )


def _describe_limits(limits: LiveLimits) -> SessionLimits:
    return SessionLimits(
        largest_message=LARGEST_MESSAGE,
        largest_picture=LARGEST_PICTURE,
        most_pixels=MOST_PIXELS,
        pictures_per_second=PICTURES_PER_SECOND,
        longest=limits.longest,
        longest_silence=limits.longest_silence,
        longest_pause=limits.longest_pause,
        grace=limits.grace,
    )
