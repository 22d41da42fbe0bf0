"""The service in a thread of the tests' own process."""

import threading
from pathlib import Path

import uvicorn
from live_sockets import PIECE, live
from server_process import until

from mmerc.serving.application import create_app
from mmerc.serving.live.live_limits import LiveLimits
from mmerc.serving.patient_protocol import PatientProtocol, PatientSocket
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings

KEY = "secret"
SILENCE = bytes(PIECE)


class Host:
    """The service in a thread of this process, so that tests see inside it."""

    def __init__(self, folder, model):
        settings = Settings(
            folder=folder, key=KEY, live_model=str(model), live=LiveLimits(sessions=2)
        )
        self.app = create_app(settings, Predictor(None, "none"))
        self.live = self.app.app.state.service.live
        config = uvicorn.Config(
            self.app,
            port=0,
            log_level="error",
            ws_per_message_deflate=False,
            http=PatientProtocol,
            ws=PatientSocket,
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self, **settings):
        return live(self.port, key=KEY, **settings)


def count_open():
    return len(list(Path("/proc/self/fd").iterdir()))
