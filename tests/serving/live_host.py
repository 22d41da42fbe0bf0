"""The service in a thread of the test process."""

import socket as sockets
import threading
from pathlib import Path

import uvicorn
from live_sockets import PIECE, live
from server_process import PATIENCE, until

from mmerc.serving.application import create_app
from mmerc.serving.live.live_limits import LiveLimits
from mmerc.serving.patient_protocol import PatientProtocol, PatientSocket
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings

KEY = "secret"
SILENCE = bytes(PIECE)
HANDSHAKE = (
    "GET /v1/live HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    f"Authorization: Bearer {KEY}\r\n\r\n"
).encode()


class Host:
    """The service in a thread of this process, so that tests can inspect it."""

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


def open_raw(port, data):
    """A connection that has sent some bytes and can send more."""
    raw = sockets.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    raw.sendall(data)
    return raw
