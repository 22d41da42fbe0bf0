"""The server: one folder, one model, until it is told to stop."""

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
from mmerc.serving.jobs import DATABASE
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings

MOST_CONNECTIONS = 1000
GRACE = 10  # seconds for answers that are on their way when the server is told to stop


def serve(settings: Settings, *, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM; MmercError where the model or the folder cannot be had."""
    with alone_in(settings.folder):
        parts = load_components(
            settings.model, commercial_only=settings.commercial_only, face="speaking"
        )
        predictor = Predictor(parts.model, parts.name)
        logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")
        logging.getLogger("mmerc.serving").setLevel(logging.INFO)
        with telling_of(settings.folder):
            app = create_app(settings, predictor)
        uvicorn.run(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,  # paths hold the names of files
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=GRACE,
        )


@contextmanager
def telling_of(folder: Path) -> Iterator[None]:
    """InputError where the jobs in a folder cannot be opened."""
    try:
        yield
    except OSError as error:
        raise write_error(folder, error) from error
    except sqlite3.Error as error:
        fix = "free space or choose another --jobs-folder"
        raise InputError(folder / DATABASE, f"cannot be used ({error})", fix) from error


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder, which nobody else may read; MmercError where another server uses it."""
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise write_error(folder, error) from error
    with file_lock(folder / "lock") as alone:
        if not alone:
            raise MmercError(f"{folder}: another server uses it; choose another --jobs-folder.")
        yield
