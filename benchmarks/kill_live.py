"""Does a live session survive killed servers and workers?

    python benchmarks/kill_live.py 20     # kills; some 6 minutes

A client plays the example film's sound in real time with ``keep``, and follows
docs/live-service.md: it resumes after a lost connection and, if the server has lost the session,
starts another one with the sound after the last received utterance. Alternately, the server is
killed (SIGKILL) and restarted, and a worker of a parallel job is killed. Checks: the bytes
confirmed by a killed server are in the recording of the session's job; jobs finish although their
workers were killed; and the client has the same words as an undisturbed client. Exits with 1 if
anything is lost.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
import requests
from websockets.exceptions import WebSocketException
from websockets.sync.client import ClientConnection, connect

from bench_service import Server, ended, upload
from mmerc.media.decode import read_sound
from mmerc.processes import list_descendants

FILM = Path(__file__).parents[1] / "examples/phone-call.mp4"
RATE, PIECE = 32_000, 3200  # bytes per second of sound, and of a message
SAME_WORDS = 0.9  # words at a cut may be recognised differently


@dataclass
class Client:
    """Plays the sound once. ``base``: the first byte of the current session."""

    server: Server
    sound: bytes
    base: int = 0
    sent: int = 0
    confirmed: int = 0
    session: str | None = None
    seen: int = 0
    connections: int = 0
    name: str = ""
    said: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)

    def run(self) -> None:
        """Play until everything has been analysed."""
        while True:
            with suppress(WebSocketException, OSError, TimeoutError):
                address = self.server.url.replace("http", "ws") + "/v1/live"
                with connect(address, proxy=None, max_size=None, open_timeout=60) as socket:
                    self.connections += 1
                    self.begin(socket)
                    self.play(socket)
                    return
            time.sleep(0.2)

    def begin(self, socket: ClientConnection) -> None:
        """Resume the session, or start a new one after the last utterance."""
        if self.session is not None:
            say(socket, "resume", version=1, session=self.session, after=self.seen)
            answer = self.receive(socket)
            if answer["type"] == "started":
                self.sent = answer["received"]
                return
            if answer["code"] != "session":
                raise SystemExit(f"resuming failed: {answer['message']}")
            ends = [start + 2 * round(item["end"] * RATE / 2) for (start, _), item in self.items()]
            self.base = max(ends, default=0)
        self.session, self.seen, self.sent, self.confirmed = None, 0, 0, 0
        self.name = secrets.token_hex(4)
        form = {"format": "pcm_s16le", "sample_rate": 16000, "keep": True}
        say(socket, "start", version=1, name=self.name, **form)
        self.session = self.receive(socket)["session"]

    def items(self) -> list[tuple[tuple[int, int], dict[str, Any]]]:
        return sorted(self.said.items())

    def play(self, socket: ClientConnection) -> None:
        began = time.monotonic() - self.sent / RATE
        while self.base + self.sent < len(self.sound):
            time.sleep(max(0.0, began + self.sent / RATE - time.monotonic()))
            piece = self.sound[self.base + self.sent :][:PIECE]
            socket.send(piece)
            self.sent += len(piece)
            with suppress(TimeoutError):
                while True:
                    self.receive(socket, timeout=0)
        say(socket, "end")
        while self.receive(socket)["type"] != "ended":
            pass

    def receive(self, socket: ClientConnection, timeout: float = 120) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(socket.recv(timeout=timeout))
        if message["type"] != "error":
            self.seen = message["sequence"]
        if message["type"] == "stats":
            self.confirmed = message["received"]
        if message["type"] == "utterance":
            self.said[self.base, message["index"]] = message
        elif message["type"] == "correction":
            self.said.pop((self.base, message["index"]), None)
            if message["utterance"] is not None:
                self.said[self.base, message["index"]] = message["utterance"]
        return message

    def words(self) -> list[str]:
        return " ".join(item["text"] for _, item in self.items()).lower().split()


def say(socket: ClientConnection, kind: str, **values: object) -> None:
    socket.send(json.dumps({"type": kind, **values}))


def kill_server(server: Server, client: Client) -> str | None:
    """Kill and restart the server; return what was lost of the confirmed sound."""
    server.kill()
    # Before the restart: the client then starts another session, with another name.
    played, name = client.sound[client.base :][: client.confirmed], f"{client.name}.wav"
    stored = {
        path.parent: path.read_bytes()[44:] for path in server.folder.glob("jobs/*/recording")
    }
    server.start()
    kept = b""  # of this session, active or just ended
    for folder, recording in stored.items():
        job = f"{server.url}/v1/jobs/{folder.name}"
        answer = requests.get(job, timeout=60)
        if not answer.ok:
            return "the audio of a killed session is not a job"
        if answer.json()["name"] == name:
            kept = recording
            requests.delete(job, timeout=60)
    if not kept.startswith(played):
        return f"{len(played)} bytes were confirmed, {len(kept)} are stored, or not the same"
    return None


def kill_worker(server: Server, _: Client) -> str | None:
    """Kill the worker of a job; return a problem if the job is lost."""
    job = upload(server.url)
    while requests.get(job, timeout=60).json()["state"] != "running":
        time.sleep(0.1)
    workers: list[int] = []
    while not workers:  # grandchildren, forked by a child of the server
        time.sleep(0.1)
        children = {
            n for n in list_descendants(server.process.pid) if parent(n) != server.process.pid
        }
        workers = sorted(children)
    with suppress(ProcessLookupError):
        os.kill(workers[0], signal.SIGKILL)
    state = ended(job)
    requests.delete(job, timeout=60)
    return None if state in {"done", "partial"} else f"job after its worker was killed: {state}"


def parent(number: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[1])
    return 0


def disturb(server: Server, client: Client, kills: int, drawn: random.Random) -> list[str]:
    """Kill ``kills`` times while a client plays; return what was lost."""
    lost = []
    for number in range(kills):
        heard = len(client.said)
        until = time.monotonic() + 10
        while time.monotonic() < until and len(client.said) == heard:
            time.sleep(0.1)
        time.sleep(drawn.uniform(0, 1))
        kill = kill_worker if number % 2 else kill_server
        problem = kill(server, client)
        print(f"{kill.__name__} {number + 1}: {problem or 'nothing lost'}", flush=True)
        lost += [problem] if problem else []
    return lost


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kills", nargs="?", type=int, default=20)
    given = parser.parse_args()
    levels = (read_sound(FILM) * 32767).round().astype("<i2")
    sound = np.concatenate([levels, np.zeros(16_000, "<i2")]).tobytes()
    drawn, lost = random.Random(25), list[str]()
    with tempfile.TemporaryDirectory() as name, Server(Path(name) / "jobs") as server:
        undisturbed = Client(server, sound[: 20 * RATE])
        undisturbed.run()
        expected = undisturbed.words()
        for kills in [4] * (given.kills // 4) + [given.kills % 4] * bool(given.kills % 4):
            client = Client(server, undisturbed.sound)
            playing = threading.Thread(target=client.run)
            playing.start()
            lost += disturb(server, client, kills, drawn)
            playing.join()
            same = SequenceMatcher(None, expected, client.words(), autojunk=False)
            share = sum(block.size for block in same.get_matching_blocks()) / len(expected)
            print(f"{client.connections} connections, {100 * share:.0f} % of the words")
            if share < SAME_WORDS:
                lost.append(f"{' '.join(expected)} / {' '.join(client.words())}")
    print(f"{given.kills} kills, {len(lost)} losses")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main()
