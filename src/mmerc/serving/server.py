"""Run the server: one folder and one model."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from mmerc.errors import InputError, MmercError
from mmerc.files import file_lock, write_error
from mmerc.inference.pipeline.components import load_components
from mmerc.serving.application import create_app
from mmerc.serving.jobs import DATABASE, open_jobs
from mmerc.serving.live.live_sessions import load_live_components
from mmerc.serving.patient_protocol import PatientProtocol, PatientSocket
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings

_MAX_CONNECTIONS = 1000
_MAX_SOCKET_MESSAGE = 16 * 2**20  # bytes; larger messages close the connection without an answer
_GRACE = 10  # seconds for requests in progress on shutdown


def run_server(settings: Settings, *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; MmercError for an unusable model or folder."""
    with use_folder(settings.folder, shared=settings.shared):
        with explaining_errors(settings.folder):
            open_jobs(settings).close()  # checked before loading the model, which takes seconds
        components = load_components(
            settings.model, commercial_only=settings.commercial_only, face="speaking"
        )
        predictor = Predictor(components.model, components.name)
        chosen = settings.live_model is not None and settings.live.sessions > 0
        live = load_live_components(settings) if chosen else None
        start_log()
        with explaining_errors(settings.folder):
            app = create_app(settings, predictor, live)
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,  # paths contain file names
            server_header=False,
            http=PatientProtocol,
            ws=PatientSocket,
            limit_concurrency=_MAX_CONNECTIONS,
            ws_max_size=_MAX_SOCKET_MESSAGE,
            ws_per_message_deflate=False,  # sound and pictures are already compressed
            timeout_graceful_shutdown=_GRACE,
        )


def start_log() -> None:
    """Set up logging to stderr."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("mmerc.serving").setLevel(logging.INFO)


@contextmanager
def explaining_errors(folder: Path) -> Iterator[None]:
    """InputError if the jobs in a folder cannot be opened."""
    try:
        yield
    except OSError as error:
        raise write_error(folder, error) from error
    except sqlite3.Error as error:
        fix = "free space or choose another --jobs-folder"
        raise InputError(folder / DATABASE, f"cannot be used ({error})", fix) from error


@contextmanager
def use_folder(folder: Path, *, shared: bool) -> Iterator[None]:
    """Create and lock the folder, private to its owner; MmercError if another server uses it.

    ``shared``: other servers and workers may use it too.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise write_error(folder, error) from error
    with file_lock(folder / "lock", shared=shared) as acquired:
        if not acquired:
            fix = "start both with --shared-jobs, or choose another --jobs-folder"
            raise MmercError(f"{folder}: another server uses it; {fix}.")
        yield
