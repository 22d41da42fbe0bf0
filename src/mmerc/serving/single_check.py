"""A check that never runs concurrently, however often it is requested."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field

from pydantic import BaseModel

_Check = Callable[[], Awaitable[str | None]]


class Part(BaseModel):
    """The state of a part of the service; ``reason`` is a sentence if it does not work.

    ``seconds``: duration of the last check.
    """

    ok: bool
    seconds: float | None = None
    reason: str | None = None


@dataclass(kw_only=True)
class SingleCheck:
    """Runs ``check``, which returns a problem or None, and caches the answer for ``keep`` seconds.

    A check that exceeds ``deadline`` fails but keeps running; no second one is started in parallel.
    Callers wait at most ``patience`` seconds and then get the previous answer until the deadline.
    Problems are cached for ``retry`` seconds.
    """

    subject: str
    check: _Check
    deadline: float
    patience: float
    keep: float = 0.0
    retry: float = 0.0
    task: asyncio.Task[Part] | None = field(default=None, init=False)
    started: float = field(default=0.0, init=False)
    ended: float = field(default=0.0, init=False)
    previous: Part | None = field(default=None, init=False)

    async def __call__(self) -> Part:
        if self.task is None or (self.task.done() and self._is_old(self.task.result())):
            self.previous = None if self.task is None else self.task.result()
            self.started = time.monotonic()
            self.task = asyncio.create_task(self._run())
        if not self.task.done():
            await asyncio.wait({self.task}, timeout=max(0.0, self.patience - self._elapsed()))
        if self.task.done():
            return self.task.result()
        if self.previous is not None and self.previous.ok and self._elapsed() < self.deadline:
            return self.previous
        return Part(
            ok=False, reason=f"{self.subject} has not answered for {self._elapsed():.0f} s."
        )

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _is_old(self, part: Part) -> bool:
        return time.monotonic() - self.ended > (self.keep if part.ok else self.retry)

    async def _run(self) -> Part:
        try:
            problem = await self.check()
        except Exception as error:
            problem = f"{self.subject} fails ({type(error).__name__})."
        self.ended, elapsed = time.monotonic(), self._elapsed()
        if problem is None and elapsed > self.deadline:
            problem = f"{self.subject} took {elapsed:.0f} s to answer."
        return Part(ok=problem is None, seconds=round(elapsed, 3), reason=problem)


def in_thread(function: Callable[[], str | None]) -> _Check:
    """Turn a function into a check; it may block forever, even during shutdown."""

    async def check() -> str | None:
        future: Future[str | None] = Future()

        def work() -> None:
            with suppress(InvalidStateError):  # cancelled
                try:
                    future.set_result(function())
                except Exception as error:
                    future.set_exception(error)

        threading.Thread(target=work, daemon=True).start()
        return await asyncio.wrap_future(future)

    return check
