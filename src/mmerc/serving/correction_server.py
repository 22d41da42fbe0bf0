"""A local server for correcting one analysis on a page."""

from __future__ import annotations

import secrets
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvicorn
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import RedirectResponse
from starlette.types import ASGIApp

from mmerc.errors import MmercError, UsageError
from mmerc.files import write_text
from mmerc.inference.correction.edited_results import FOLDER, write_edited_results
from mmerc.inference.correction.sample_folder import SAMPLE_LABELS
from mmerc.serving import correction_routes
from mmerc.serving.correction_desk import Desk, open_desk
from mmerc.serving.guard import Guard
from mmerc.serving.monitoring import Metrics
from mmerc.serving.problems import answer_errors
from mmerc.serving.settings import Settings
from mmerc.version import __version__

_HOST = "127.0.0.1"
_PAUSE = 2.0  # seconds after the last correction before the files are written


class _FileWriter(threading.Thread):
    """Writes the corrected files in the background, after a short pause without corrections."""

    def __init__(self, desk: Desk) -> None:
        super().__init__(name="corrected files")
        self.desk, self.written = desk, desk.log.revision
        self.changed, self.stopping = threading.Event(), threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            self.changed.wait()
            while self.changed.is_set() and not self.stopping.is_set():
                self.changed.clear()
                self.stopping.wait(_PAUSE)
            self.write()

    def write(self) -> None:
        """Write changes; on a full disk, report it and retry after the next correction."""
        revision = self.desk.log.revision
        if revision == self.written:
            return
        try:
            self._write_files()
            self.written = revision
        except MmercError as error:
            print(f"note: {error}", file=sys.stderr, flush=True)

    def _write_files(self) -> None:
        desk = self.desk
        if desk.sample is None:
            write_edited_results(desk.log, desk.folder / FOLDER, stem=desk.stem)
        else:
            write_text(desk.folder / SAMPLE_LABELS, desk.sample.list_labels(desk.log))

    def stop(self) -> None:
        """Write the latest corrections and stop."""
        self.stopping.set()
        self.changed.set()
        self.join()
        self.write()  # the thread's last write may have missed the last correction


def serve_analysis(
    analysis: str | Path, *, port: int, announce: Callable[[int], None] = lambda port: None
) -> None:
    """Serve the page of an analysis or sample on this computer until SIGINT or SIGTERM.

    Corrections are stored in ``STEM.corrections.sqlite`` next to the analysis, corrected files in
    ``corrected/``, and the labels of a sample in its ``labels.csv``. ``announce`` is called with
    the port once it is open. InputError if the analysis cannot be read, UsageError if the port is
    in use.
    """
    desk = open_desk(analysis)
    with _open_socket(port) as listening:
        writer = _FileWriter(desk)
        app = create_correction_app(replace(desk, on_change=writer.changed.set))
        writer.start()
        announce(listening.getsockname()[1])
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, server_header=False,
            timeout_graceful_shutdown=2,
        )  # fmt: skip
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            writer.stop()


def _open_socket(port: int) -> socket.socket:
    """Open a socket for this computer only; UsageError if the port is in use."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
        listening.listen()
    except OSError as error:
        listening.close()
        problem = f"Port {port} cannot be used ({error.strerror})"
        raise UsageError(f"{problem}; choose another --port, or 0 for any.") from error
    return listening


def create_correction_app(desk: Desk) -> ASGIApp:
    """Create the application for one analysis, with its page at ``/``."""
    identifier = secrets.token_hex(16)

    def find_desk(job: str) -> Desk:
        if job != identifier:
            raise HTTPException(404, "No such analysis; open the address that mmerc printed.")
        return desk

    app = FastAPI(title="mmerc", version=__version__, docs_url=None, redoc_url=None)
    app.state.find_desk = find_desk
    answer_errors(app)
    app.include_router(correction_routes.router)

    @app.get("/", include_in_schema=False)
    def redirect(request: Request) -> RedirectResponse:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"v1/jobs/{identifier}/correct{query}")

    return Guard(app, Settings(folder=desk.folder), Metrics(None))
