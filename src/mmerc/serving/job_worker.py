"""A worker without HTTP: runs jobs accepted by servers, on this machine or another."""

from __future__ import annotations

import asyncio
import logging
import signal

from mmerc.inference.pipeline.components import load_components
from mmerc.serving.jobs import open_jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.readiness import create_readiness
from mmerc.serving.runner import Runner
from mmerc.serving.server import explaining_errors, start_log, use_folder
from mmerc.serving.settings import Settings

_LOG = logging.getLogger("mmerc.serving")
_CHECK = 5.0  # seconds between two readiness checks


def run_worker(settings: Settings) -> None:
    """Run jobs until SIGINT or SIGTERM.

    MmercError if the model, the folder or the database cannot be used.
    """
    with use_folder(settings.folder, shared=True):
        start_log()
        # Only to check that jobs can load it; they do so in their own processes.
        load_components(settings.model, commercial_only=settings.commercial_only, face="speaking")
        with explaining_errors(settings.folder):
            jobs = open_jobs(settings)
        runner = Runner(jobs, settings, Metrics(jobs))
        runner.start()
        _LOG.info("worker %s starts", jobs.process)
        try:
            asyncio.run(_watch(settings, runner))
        finally:
            runner.stop()
            jobs.close()


async def _watch(settings: Settings, runner: Runner) -> None:
    """Check readiness, which is reported to servers, until stopped."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    readiness = create_readiness(settings, runner.jobs, runner)
    while not stopped.is_set():
        runner.trouble = (await readiness()).detail
        try:
            async with asyncio.timeout(_CHECK):
                await stopped.wait()
        except TimeoutError:
            continue
