"""Assemble the application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial

from fastapi import FastAPI
from starlette.types import ASGIApp

from mmerc.inference.streaming.live_components import LiveComponents
from mmerc.serving import correction_routes, job_routes, prediction_routes, routes
from mmerc.serving.guard import Guard
from mmerc.serving.jobs import open_jobs
from mmerc.serving.live import live_routes
from mmerc.serving.live.kept_recording import recover_recordings
from mmerc.serving.live.live_metrics import register_live_metrics
from mmerc.serving.live.live_sessions import LiveSessions, load_live_components
from mmerc.serving.monitoring import Metrics
from mmerc.serving.openapi_examples import DescribedApp
from mmerc.serving.predictor import Predictor
from mmerc.serving.problems import answer_errors
from mmerc.serving.readiness import create_readiness
from mmerc.serving.runner import Runner
from mmerc.serving.service import Service
from mmerc.serving.settings import Settings
from mmerc.version import __version__

_ABOUT = (
    "Emotions of recordings and transcripts over time. A prediction says how people would probably "
    "label an utterance, not what anybody felt."
)


def create_app(
    settings: Settings, predictor: Predictor, components: LiveComponents | None = None
) -> ASGIApp:
    """Create the application, which also processes jobs while it runs.

    ``components``: the networks of live sessions, if they are already loaded.
    """
    jobs = open_jobs(settings)
    if not settings.shared:  # otherwise another server's session may be running; see recover()
        recover_recordings(jobs)
    jobs.recover()
    metrics = Metrics(jobs)
    metrics.watch_queue(predictor.queue.qsize)
    live = LiveSessions(settings, jobs, partial(load_live_components, settings), components)
    register_live_metrics(metrics.registry, live)
    runner = Runner(jobs, settings, metrics)
    readiness = create_readiness(settings, jobs, runner, predictor, live)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runner.start()
        tasks = [asyncio.create_task(t) for t in (predictor.run(), live.sweep(), live.recover())]
        try:
            yield
        finally:
            await live.close()
            for task in tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            await asyncio.to_thread(runner.stop)
            jobs.close()

    app = DescribedApp(
        title="mmerc",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # both documentation pages load scripts from other hosts
        redoc_url=None,
    )
    service = Service(
        settings=settings,
        jobs=jobs,
        predictor=predictor,
        live=live,
        metrics=metrics,
        readiness=readiness,
    )
    app.state.service = service
    app.state.find_desk = correction_routes.JobDesks(service)
    answer_errors(app)
    app.include_router(job_routes.router)
    app.include_router(correction_routes.router)
    app.include_router(prediction_routes.router)
    app.include_router(live_routes.router)
    app.include_router(routes.router)
    return Guard(app, settings, metrics)
