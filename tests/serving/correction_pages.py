"""A correction server in a thread of the test process."""

import socket
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import uvicorn

from mmerc.inference.results import write_results
from mmerc.serving.correction_desk import open_desk
from mmerc.serving.correction_server import create_correction_app

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from talk import ANALYSIS


@contextmanager
def correcting(folder, analysis=ANALYSIS):
    """The desk and URL of an analysis or sample in a folder, for the duration of the block."""
    if not any(folder.glob("*.jsonl")) and not (folder / "sample.json").is_file():
        write_results(analysis, folder, stem="talk")
    desk = open_desk(folder if (folder / "sample.json").is_file() else folder / "talk")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(create_correction_app(desk), log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield desk, f"http://127.0.0.1:{listening.getsockname()[1]}/"
        finally:
            server.should_exit = True
            thread.join()
