"""A client of live sessions, for tests."""

import json
from contextlib import contextmanager
from fractions import Fraction

import av
import numpy as np
from server_process import PATIENCE
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from mmerc.serving.live.server_messages import SERVER_MESSAGES

PIECE = 6400  # bytes: a fifth of a second of 16-bit sound
PCM = {"format": "pcm_s16le", "sample_rate": 16000}
_MODELS = {model.model_fields["type"].default: model for model in SERVER_MESSAGES}


class LiveSocket:
    """One connection; every message is checked against the protocol's models."""

    def __init__(self, socket):
        self.socket, self.messages = socket, []

    def say(self, kind, **values):
        self.socket.send(json.dumps({"type": kind, **values}))

    def start(self, **values):
        self.say("start", version=1, **(values or PCM))
        return self.expect("started")

    def resume(self, session, after):
        self.say("resume", version=1, session=session, after=after)

    def send_sound(self, data, piece=PIECE):
        for start in range(0, len(data), piece):
            self.socket.send(data[start : start + piece])

    def receive(self):
        message = json.loads(self.socket.recv(timeout=PATIENCE))
        _MODELS[message["type"]].model_validate(message)
        self.messages.append(message)
        return message

    def expect(self, kind, **values):
        """The next message of a type with these values; others are kept in ``messages``."""
        while True:
            message = self.receive()
            if message["type"] == kind and values.items() <= message.items():
                return message
            assert message["type"] != "ended", message

    def rest(self):
        """All messages until the connection is closed."""
        try:
            while True:
                self.receive()
        except ConnectionClosed as closed:
            self.closed = closed.rcvd and closed.rcvd.code
        return self.messages

    def of(self, kind):
        return [message for message in self.messages if message["type"] == kind]

    @property
    def events(self):
        """Sequence numbers of the events, which are sent again after a resume."""
        kinds = {"speech_started", "utterance", "correction", "ended"}
        final = [m for m in self.messages if m["type"] in kinds or m.get("final")]
        return [message["sequence"] for message in final]

    @property
    def spoken(self):
        """Final utterances after corrections: text and emotion."""
        utterances = {item["index"]: item for item in self.of("utterance")}
        for item in self.of("correction"):
            utterances[item["index"]] = item["utterance"]
        return [(item["text"], item["emotion"]) for item in utterances.values() if item]


@contextmanager
def live(port, *, key=None, headers=None, **settings):
    """A connection to the server at a port."""
    headers = dict(headers or {})
    if key is not None:
        headers["Authorization"] = f"Bearer {key}"
    address = f"ws://127.0.0.1:{port}/v1/live"
    settings = {"open_timeout": PATIENCE, "proxy": None, "max_size": None} | settings
    with connect(address, additional_headers=headers, **settings) as socket:
        yield LiveSocket(socket)


def listen(port, sound, *, piece=PIECE, **settings):
    """A complete session: the socket after its end."""
    key = settings.pop("key", None)
    with live(port, key=key) as socket:
        socket.start(**(settings or PCM))
        socket.send_sound(sound, piece)
        socket.say("end")
        socket.rest()
    return socket


def jpeg(width=320, height=240):
    """A grey image: a camera without a face."""
    pixels = np.full((height, width, 3), 128, np.uint8)
    codec = av.CodecContext.create("mjpeg", "w")
    codec.width, codec.height, codec.pix_fmt = width, height, "yuvj420p"
    codec.time_base = Fraction(1, 5)
    frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(format="yuvj420p")
    return b"".join(bytes(packet) for part in (frame, None) for packet in codec.encode(part))
