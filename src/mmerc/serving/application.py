"""The service put together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.types import ASGIApp

from mmerc.errors import InputError
from mmerc.serving import job_routes, routes
from mmerc.serving.guard import Guard
from mmerc.serving.jobs import Jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.openapi_examples import Described
from mmerc.serving.predictor import Predictor
from mmerc.serving.problems import (
    answer_fault,
    answer_input_error,
    answer_invalid,
    answer_storage,
)
from mmerc.serving.runner import Runner
from mmerc.serving.service import Service
from mmerc.serving.settings import Settings
from mmerc.version import __version__

ABOUT = (
    "Recordings and transcripts in, timelines of emotions out. A prediction says how people would "
    "probably label an utterance, not what anybody felt."
)


def create_app(settings: Settings, predictor: Predictor) -> ASGIApp:
    """The application; its jobs are worked off while it runs."""
    jobs = Jobs(settings.folder, waiting=settings.waiting)
    jobs.recover()
    metrics = Metrics(jobs)
    runner = Runner(jobs, settings, metrics)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        runner.start()
        predicting = asyncio.create_task(predictor.run())
        try:
            yield
        finally:
            predicting.cancel()
            with suppress(asyncio.CancelledError):
                await predicting
            await asyncio.to_thread(runner.stop)
            jobs.close()

    app = Described(
        title="mmerc",
        version=__version__,
        description=ABOUT,
        lifespan=lifespan,
        docs_url=None,  # both load their scripts from other hosts
        redoc_url=None,
    )
    app.state.service = Service(settings=settings, jobs=jobs, predictor=predictor, metrics=metrics)
    app.add_exception_handler(sqlite3.Error, answer_storage)
    app.add_exception_handler(Exception, answer_fault)
    app.add_exception_handler(InputError, answer_input_error)
    app.add_exception_handler(RequestValidationError, answer_invalid)
    app.include_router(job_routes.router)
    app.include_router(routes.router)
    return Guard(app, settings, metrics)
