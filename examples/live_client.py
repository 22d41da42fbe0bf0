"""Send a WAV file (16 kHz, mono, 16 bit) to `mmerc serve`, and print emotions as they come."""

import json
import sys
import wave
from threading import Thread

from websockets.sync.client import connect


def send(socket, path):
    """Send a recording as fast as the service takes it."""
    with wave.open(path) as sound:
        form = {"format": "pcm_s16le", "sample_rate": sound.getframerate()}
        socket.send(json.dumps({"type": "start", "version": 1, **form}))
        while samples := sound.readframes(1600):  # a tenth of a second, as from a microphone
            socket.send(samples)
    socket.send(json.dumps({"type": "end"}))


path, address = sys.argv[1], (sys.argv[2:] or ["ws://127.0.0.1:8000/v1/live"])[0]
with connect(address) as socket:
    Thread(target=send, args=(socket, path), daemon=True).start()
    for event in map(json.loads, socket):
        if event["type"] == "utterance":
            print("{start:.1f} s, {speaker}: {emotion}: {text}".format(**event))
        elif event["type"] == "error":
            print(event["message"], file=sys.stderr)
