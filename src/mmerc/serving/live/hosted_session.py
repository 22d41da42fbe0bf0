"""A session on the event loop: a bounded input queue, a worker thread, and the events."""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Executor
from functools import partial
from typing import TypeVar

from mmerc.errors import MmercError
from mmerc.inference.analysis import Analysis
from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.inference.streaming.events import (
    Correction,
    LiveEvent,
    LiveUtterance,
    Stats,
    WordsHeard,
    event_as_dict,
)
from mmerc.serving.live.live_limits import LiveLimits
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.server_messages import (
    CorrectionMessage,
    EndedMessage,
    EndReason,
    ErrorMessage,
    ServerMessage,
    SpeechStartedMessage,
    StatsMessage,
    UtteranceMessage,
    WordsMessage,
)
from mmerc.serving.live.session_worker import (
    SessionInput,
    SessionOutput,
    SessionWorker,
    TimedPicture,
)

_LOG = logging.getLogger("mmerc.serving")
_Result = TypeVar("_Result")
_MAX_WAITING = 1_000_000  # bytes; half a minute of 16-bit PCM
_LEAST_WEIGHT = 500  # minimum size of an item in the queue, in bytes
_MAX_PICTURES = 10  # in the queue
_BATCH = 64_000  # bytes per batch of the thread: 2 s of 16-bit PCM
_COMPRESSED_BATCH = 6_000  # bytes of WebM: at most 40 s and 30 more (``webm_sound``), usually 2
_MAX_REFUSALS = 100
_STATS_INTERVAL = 1.0  # seconds
_EVENTS: dict[str, type[ServerMessage]] = {
    "speech_started": SpeechStartedMessage,
    "words": WordsMessage,
    "utterance": UtteranceMessage,
    "correction": CorrectionMessage,
}


class HostedSession:
    """Accepts input and stores events for the current connection.

    ``events`` are JSON texts; event n has sequence number n + 1. ``latest`` has replaceable texts,
    the newest of each kind: partial words and statistics. Queues are bounded: ``offer`` waits for
    space, and a connection reads the events when it can.
    """

    def __init__(
        self, worker: SessionWorker, limits: LiveLimits, pool: Executor, *, root_path: str = ""
    ) -> None:
        self.id = secrets.token_hex(16)
        self.worker, self.limits, self.pool = worker, limits, pool
        self.root_path = root_path
        self.batch = _COMPRESSED_BATCH if worker.start.format == "webm_opus" else _BATCH
        self.events: list[str] = []
        self.latest: dict[str, tuple[int, str]] = {}
        self.version = 0  # increases with every change of events and latest
        self.changed = asyncio.Event()
        self.inputs: deque[SessionInput] = deque()
        self.arrived, self.room = asyncio.Event(), asyncio.Event()
        self.room.set()
        self.waiting = self.pictures = 0
        self.received = self.processed = 0  # bytes of sound
        self.dropped = self.engine_dropped = 0
        self.real_time_factor: float | None = None
        self.began = self.heard_client = time.monotonic()
        self.heard_speech = self.reported = 0.0
        self.utterances: set[int] = set()
        self.refusals = 0
        self.ending: EndReason | None = None
        self.ended_at: float | None = None
        self.analysis: Analysis | None = None
        self.connection: object | None = None  # the connection that may send and receive
        self.computing_since: float | None = None

    @property
    def has_ended(self) -> bool:
        return self.ended_at is not None

    @property
    def computing(self) -> float:
        """Seconds for which the session's thread has been busy with one piece of work."""
        since = self.computing_since
        return 0.0 if since is None else time.monotonic() - since

    @property
    def behind(self) -> float:
        """Seconds of queued sound, estimated from the rate of processed sound."""
        waiting = (self.received - self.processed) / max(self.processed, 1)
        return self.worker.seconds * waiting

    @property
    def dropped_frames(self) -> int:
        """Number of pictures that arrived too fast or far from the sound in time."""
        return self.dropped + self.engine_dropped + self.worker.misplaced

    def offer(self, item: SessionInput) -> None:
        """Queue input when there is space; drop pictures that arrive too fast."""
        self.heard_client = time.monotonic()
        if isinstance(item, TimedPicture):
            if self.pictures >= _MAX_PICTURES:
                self.dropped += 1
                return
            self.pictures += 1
        if isinstance(item, bytes):
            self.received += len(item)
        parts = self._split(item)
        self.waiting += sum(map(_weigh, parts))
        if self.waiting >= _MAX_WAITING:
            self.room.clear()
        self.inputs.extend(parts)
        self.arrived.set()

    def _split(self, item: SessionInput) -> list[SessionInput]:
        """Split compressed sound into parts of bounded length; keep anything else whole."""
        if not isinstance(item, bytes) or self.worker.start.format != "webm_opus":
            return [item]
        return [item[i : i + self.batch] for i in range(0, len(item), self.batch)]

    def end(self, reason: EndReason) -> None:
        """End the session after processing its input."""
        if self.ending is None:
            self.ending = reason
            self.arrived.set()

    def _end_early(self, reason: EndReason) -> None:
        """End the session and discard queued input; compressed sound may be hours long."""
        self.end(reason)
        self.inputs.clear()

    async def run(self) -> None:
        """Process input until the end; an internal error ends only this session."""
        try:
            while self.ending is None or self.inputs:
                await self._wait_for_input()
                await self._process(self._take())
            await self._finish()
        except RefusedError as refusal:
            await self._fail(refusal)
        except MmercError as error:
            await self._fail(RefusedError("internal", str(error)))
        except Exception as error:
            _LOG.error("live session %s fails: %s", self.id[:8], type(error).__name__)
            name = type(error).__name__
            await self._fail(
                RefusedError("internal", f"Internal error ({name}); please report it.")
            )
        finally:
            self.worker.abandon()

    async def _wait_for_input(self) -> None:
        """Wait for input; end the session after a pause, silence, or the maximum duration."""
        if not self.inputs and self.ending is None:
            self.arrived.clear()
            try:
                async with asyncio.timeout(min(1.0, self.limits.longest_pause / 4)):
                    await self.arrived.wait()
            except TimeoutError:
                pass
        now, seconds = time.monotonic(), self.worker.seconds
        if max(seconds, now - self.began) > self.limits.longest:
            self._end_early("length")
        elif seconds - self.heard_speech > self.limits.longest_silence:
            self._end_early("silence")
        elif now - self.heard_client > self.limits.longest_pause:
            self.end("idle")

    def _take(self) -> list[SessionInput]:
        """Take the next batch of input."""
        items: list[SessionInput] = []
        size = 0
        while self.inputs and size < self.batch:
            item = self.inputs.popleft()
            size += _weigh(item)
            self.pictures -= isinstance(item, TimedPicture)
            items.append(item)
        return items

    async def _process(self, items: list[SessionInput]) -> None:
        if items:
            outputs = await self._compute(partial(self.worker.process, items))
            self.waiting -= sum(map(_weigh, items))
            self.processed += sum(len(item) for item in items if isinstance(item, bytes))
            if self.waiting < _MAX_WAITING // 2:
                self.room.set()
            self._publish(outputs)
        self._report()

    async def _compute(self, function: Callable[[], _Result]) -> _Result:
        """Run a function in the session's thread."""
        self.computing_since = time.monotonic()
        try:
            return await asyncio.get_running_loop().run_in_executor(self.pool, function)
        finally:
            self.computing_since = None

    async def _finish(self) -> None:
        outputs, analysis, job = await self._compute(self.worker.finish)
        self.analysis = analysis
        self._publish(outputs)
        self._add_ended(self.ending or "client", job)

    async def _fail(self, refusal: RefusedError) -> None:
        """End the session because of an error."""
        self.ending = self.ending or "failed"
        self._add_error(refusal)
        job = await self._compute(self.worker.abandon)
        self._add_ended("failed", job)

    def _add_error(self, refusal: RefusedError) -> None:
        message = ErrorMessage(code=refusal.code, message=refusal.message, fatal=refusal.fatal)
        self._add(message)

    def _add_ended(self, reason: EndReason, job: str | None) -> None:
        folder = f"v1/jobs/{job}" if job else f"v1/live/{self.id}"
        names = () if self.analysis is None else ANALYSIS_FORMATS
        files = {name: f"{self.root_path}/{folder}/files/{name}" for name in names}
        self.ended_at = time.monotonic()
        self.ending = self.ending or reason
        self.inputs.clear()
        self.room.set()
        self.latest.clear()
        message = EndedMessage(
            reason=reason,
            seconds=round(self.worker.seconds, 2),
            utterances=len(self.utterances),
            job=job,
            files=files,
        )
        self._add(message)

    def _publish(self, outputs: Iterable[SessionOutput]) -> None:
        """Convert the thread's outputs to messages; too many refusals are fatal."""
        for output in outputs:
            if isinstance(output, RefusedError):
                self._refuse(output)
            elif isinstance(output, Stats):
                self.real_time_factor = output.real_time_factor
                self.engine_dropped = output.dropped_frames
            else:
                self.heard_speech = self.worker.seconds
                self._count(output)
                values = event_as_dict(output)
                message = _EVENTS[output.type].model_validate(values)
                if isinstance(output, WordsHeard) and not output.final:
                    self._replace("words", message)
                else:
                    self.latest.pop("words", None)
                    self._add(message)

    def _refuse(self, refusal: RefusedError) -> None:
        """Report invalid input; too much of it ends the session."""
        self.refusals += 1
        if refusal.fatal:
            raise refusal
        if self.refusals > _MAX_REFUSALS:
            problem = f"More than {_MAX_REFUSALS} messages could not be used"
            raise RefusedError("limit", f"{problem}; fix the client, and start again.")
        self._add_error(refusal)

    def _count(self, event: LiveEvent) -> None:
        """Count the utterances."""
        if isinstance(event, LiveUtterance):
            self.utterances.add(event.index)
        elif isinstance(event, Correction) and event.utterance is None:
            self.utterances.discard(event.index)

    def _report(self) -> None:
        """Report progress, once a second."""
        now = time.monotonic()
        if now - self.reported < _STATS_INTERVAL:
            return
        self.reported = now
        stats = StatsMessage(
            received=self.processed if self.worker.start.keep else self.received,  # safely stored
            seconds=round(self.worker.seconds, 2),
            behind=round(self.behind, 2),
            real_time_factor=self.real_time_factor,
            dropped_frames=self.dropped_frames,
        )
        self._replace("stats", stats)

    def _add(self, message: ServerMessage) -> None:
        numbered = message.model_copy(update={"sequence": len(self.events) + 1})
        self.events.append(numbered.model_dump_json())
        self._notify()

    def _replace(self, kind: str, message: ServerMessage) -> None:
        self._notify()
        numbered = message.model_copy(update={"sequence": len(self.events)})
        self.latest[kind] = (self.version, numbered.model_dump_json())

    def _notify(self) -> None:
        self.version += 1
        self.changed.set()
        self.changed = asyncio.Event()


def _weigh(item: SessionInput) -> int:
    """Return the size of an item in the queue, in bytes."""
    if isinstance(item, bytes):
        return max(len(item), _LEAST_WEIGHT)
    if isinstance(item, TimedPicture):
        return max(len(item.jpeg), _LEAST_WEIGHT)
    return _LEAST_WEIGHT * len(item.words)
