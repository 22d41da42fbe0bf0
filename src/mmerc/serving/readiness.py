"""Readiness of the service: tests every part and names parts that hang."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal

from pydantic import BaseModel

from mmerc.serving.canaries import (
    can_transcribe,
    find_workers,
    predict_canary,
    start_worker,
    transcribe_canary,
    write_canary,
)
from mmerc.serving.jobs import Jobs
from mmerc.serving.live.live_sessions import LiveSessions
from mmerc.serving.predictor import Predictor
from mmerc.serving.runner import Runner
from mmerc.serving.settings import Settings
from mmerc.serving.single_check import Part, SingleCheck, in_thread

_LOG = logging.getLogger("mmerc.serving")
_KEEP = 1.0  # seconds that an answer is reused
_DEADLINE = 3.0  # seconds for every part except the transcriber
_KEEP_WORKER = 5.0
_TRANSCRIBER_DEADLINE = 60.0  # its first start imports torch and reads weights
_KEEP_TRANSCRIBER, _RETRY_TRANSCRIBER = 300.0, 10.0
_LIVE_DEADLINE, _KEEP_LIVE, _RETRY_LIVE = 10.0, 30.0, 5.0


class ReadyAnswer(BaseModel):
    """Whether the service is ready; ``detail``: the reasons if not, as one text."""

    status: Literal["ready", "not ready"]
    detail: str | None
    parts: dict[str, Part]


class Readiness:
    """Tests every part, at most once a second and never concurrently.

    ``problems`` returns sentences about unresponsive busy workers.
    """

    def __init__(
        self, checks: Mapping[str, SingleCheck], problems: Callable[[], list[str]]
    ) -> None:
        self.checks, self.problems = checks, problems
        self.answer: ReadyAnswer | None = None
        self.answered = 0.0
        self.failing: set[str] | None = None
        self.asking: asyncio.Task[ReadyAnswer] | None = None

    async def __call__(self) -> ReadyAnswer:
        if self.answer is not None and time.monotonic() - self.answered < _KEEP:
            return self.answer
        if self.asking is None or self.asking.done():
            self.asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self.asking)  # a cancelled client must not cancel others

    async def _ask(self) -> ReadyAnswer:
        answers = await asyncio.gather(*(check() for check in self.checks.values()))
        parts = dict(zip(self.checks, answers, strict=True))
        problems = self.problems()
        if problems:
            parts["workers"] = Part(ok=False, reason=" ".join(problems))
        reasons = [part.reason for part in parts.values() if part.reason]
        self.answer = ReadyAnswer(
            status="not ready" if reasons else "ready",
            detail=" ".join(reasons) or None,
            parts=parts,
        )
        self.answered = time.monotonic()
        failing = {name for name, part in parts.items() if not part.ok}
        if failing != self.failing:
            _LOG.info("%s%s", self.answer.status, f": {self.answer.detail}" if failing else "")
            self.failing = failing
        return self.answer


def create_readiness(
    settings: Settings,
    jobs: Jobs,
    runner: Runner,
    predictor: Predictor | None = None,
    live: LiveSessions | None = None,
) -> Readiness:
    """Create the checks of a server; without ``predictor`` and ``live``, of a worker."""
    transcribe = partial(transcribe_canary, settings.memory, deadline=_TRANSCRIBER_DEADLINE)
    times = {"deadline": _DEADLINE, "patience": _DEADLINE}
    checks = {}
    if predictor is not None:
        predict = partial(predict_canary, predictor)
        checks["model"] = SingleCheck(subject="The model", check=predict, **times)
    if live is not None and live.limits.sessions and can_transcribe():
        checks["live"] = SingleCheck(
            subject="Live analysis",
            check=live.rehearse,
            deadline=_LIVE_DEADLINE,
            patience=_DEADLINE,
            keep=_KEEP_LIVE,
            retry=_RETRY_LIVE,
        )
    write = in_thread(partial(write_canary, jobs))
    checks["disk"] = SingleCheck(subject="The disk", check=write, **times)
    if settings.max_running_jobs == 0:
        find = in_thread(partial(find_workers, jobs))
        checks["workers"] = SingleCheck(subject="The database", check=find, **times)
        return Readiness(checks, runner.problems)
    checks["workers"] = SingleCheck(
        subject="A new worker process", check=in_thread(start_worker), keep=_KEEP_WORKER, **times
    )
    checks["transcriber"] = SingleCheck(
        subject="The transcriber",
        check=in_thread(transcribe),
        deadline=_TRANSCRIBER_DEADLINE,
        patience=_DEADLINE,
        keep=_KEEP_TRANSCRIBER,
        retry=_RETRY_TRANSCRIBER,
    )
    return Readiness(checks, runner.problems)
