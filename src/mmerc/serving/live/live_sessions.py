"""All live sessions of a server: start within the limit, lookup, and removal."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial

import torch

from mmerc.errors import MmercError, UsageError
from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.inference.streaming.rehearsal import rehearse
from mmerc.serving.busy import computes_meanwhile
from mmerc.serving.jobs import Jobs
from mmerc.serving.live.client_messages import Start
from mmerc.serving.live.hosted_session import HostedSession
from mmerc.serving.live.kept_recording import AbandonedRecordings
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.session_worker import SessionWorker
from mmerc.serving.settings import Settings
from mmerc.serving.storage_errors import DISK_FULL, NOT_WRITABLE, is_full

_MAX_ENDED = 100  # ended sessions with results in memory
_SWEEP = 1.0  # seconds between two searches for expired results
_RECOVERY = 60.0  # seconds between two searches for abandoned recordings
_ABANDONED = 600.0  # seconds without sound until a recording counts as abandoned
_STUCK = 120.0  # seconds for one batch of sound, after which a session counts as stuck
_LOADING = 2.0  # seconds that a rehearsal waits for the networks
_LAST_WORDS = 8.0  # seconds for sessions to end on shutdown


class LiveSessions:
    """Starts each session in a separate thread.

    The networks are loaded with the first session or rehearsal, unless ``components`` are given.
    """

    def __init__(
        self,
        settings: Settings,
        jobs: Jobs,
        load: Callable[[], LiveComponents],
        components: LiveComponents | None = None,
    ) -> None:
        self.settings, self.limits = settings, settings.live
        self.jobs, self.load, self.components = jobs, load, components
        self.sessions: dict[str, HostedSession] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self.starting = 0
        self.connections = 0
        self.pool = ThreadPoolExecutor(
            max(1, self.limits.sessions),
            thread_name_prefix="live",
            # A new thread would inherit the number of threads set by the predictor.
            initializer=partial(torch.set_num_threads, torch.get_num_threads()),
        )
        self.loading = asyncio.Lock()
        self.preparing: asyncio.Task[LiveComponents] | None = None

    @property
    def running(self) -> int:
        """Number of active sessions."""
        sessions = list(self.sessions.values())  # copied, as other threads read metrics
        return self.starting + sum(not item.has_ended for item in sessions)

    async def start(self, start: Start) -> HostedSession:
        """Start a session; RefusedError if there are too many or the request is unsupported."""
        if self.limits.sessions == 0:
            problem = "This service offers no live sessions"
            raise RefusedError("unavailable", f"{problem}; its operator can allow them.")
        if self.running >= self.limits.sessions:
            problem = f"All {self.limits.sessions} live sessions of this service are in use"
            raise RefusedError("busy", f"{problem}; try again in a minute.")
        self.starting += 1
        try:
            components = await self._load_once()
            create = partial(SessionWorker, start, components, self.jobs)
            worker = await asyncio.get_running_loop().run_in_executor(self.pool, create)
        except (OSError, sqlite3.Error) as error:
            problem = DISK_FULL if is_full(error) else NOT_WRITABLE
            raise RefusedError("disk", problem) from error
        finally:
            self.starting -= 1
        session = HostedSession(worker, self.limits, self.pool, root_path=self.settings.root_path)
        self.sessions[session.id] = session
        self._spawn(session)
        return session

    def _spawn(self, session: HostedSession) -> None:
        task = asyncio.create_task(session.run())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def rehearse(self) -> str | None:
        """Try the networks in a session thread; return a problem or None.

        No problem if all threads are computing for sessions, which use the networks too.
        """
        stuck = max((item.computing for item in self.sessions.values()), default=0.0)
        if stuck > _STUCK:
            return f"A live session has computed for {stuck:.0f} s without an end."
        components = self.components or await self._load_meanwhile()
        if isinstance(components, str):
            return components
        work = self.pool.submit(rehearse, components)
        answer = asyncio.wrap_future(work)
        if await computes_meanwhile(answer) and work.cancel():  # it has not started
            return None
        await answer
        return None

    async def _load_meanwhile(self) -> LiveComponents | str:
        """Return the networks, or why they are missing after a short wait."""
        if self.preparing is None:
            self.preparing = asyncio.create_task(self._load_once())
        done, _ = await asyncio.wait({self.preparing}, timeout=_LOADING)
        if not done:
            return "The networks of live sessions are still being loaded."
        task, self.preparing = self.preparing, None
        try:
            return task.result()
        except RefusedError as refusal:
            return f"Live sessions cannot start: {refusal.message}"

    async def _load_once(self) -> LiveComponents:
        """Load the networks once; RefusedError if not installed or the model is unusable."""
        async with self.loading:
            if self.components is None:
                loop = asyncio.get_running_loop()
                try:
                    self.components = await loop.run_in_executor(self.pool, self.load)
                except MmercError as error:
                    raise RefusedError("unavailable", str(error)) from error
            return self.components

    def find(self, session: str) -> HostedSession:
        """Find a session, active or ended; RefusedError if there is none."""
        if session not in self.sessions:
            problem = "No such live session, or it has expired"
            raise RefusedError("session", f"{problem}; start a new one.")
        return self.sessions[session]

    async def sweep(self) -> None:
        """Remove expired results of ended sessions, until cancelled."""
        while True:
            await asyncio.sleep(min(_SWEEP, self.limits.grace / 4))
            oldest = time.monotonic() - self.limits.grace
            ended = [item for item in self.sessions.values() if item.has_ended]
            expired = [item for item in ended if (item.ended_at or 0.0) < oldest]
            for session in {*expired, *ended[:-_MAX_ENDED]}:
                del self.sessions[session.id]

    async def recover(self) -> None:
        """Queue abandoned recordings, until cancelled."""
        abandoned = AbandonedRecordings(self.jobs, idle=_ABANDONED)
        while True:
            recordings = [session.worker.kept for session in self.sessions.values()]
            running = {recording.job for recording in recordings if recording is not None}
            with suppress(OSError, sqlite3.Error):  # retried later
                await asyncio.to_thread(abandoned.look, running=running)
            await asyncio.sleep(_RECOVERY)

    async def close(self) -> None:
        """End active sessions, so that kept recordings are written."""
        for session in self.sessions.values():
            session.end("stopped")
        if self.tasks:
            _, late = await asyncio.wait(self.tasks, timeout=_LAST_WORDS)
            for task in late:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        self.pool.shutdown(wait=False, cancel_futures=True)


def load_live_components(settings: Settings) -> LiveComponents:
    """Load the networks of live sessions; MmercError if not installed or unusable."""
    try:
        return LiveComponents.load(settings.live_model, commercial_only=settings.commercial_only)
    except ModuleNotFoundError as error:
        raise UsageError(
            f"Live sessions need {error.name}; install it with `pip install 'mmerc[media,speech]'`."
        ) from error
