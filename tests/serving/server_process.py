"""``mmerc serve`` in its own process, reached over real sockets."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import requests

from ports import free_port

PATIENCE = 240  # seconds; the machine may be busy
OPEN = ("uploading", "queued", "running")


def until(actual, *, seconds=PATIENCE):
    """Poll until a value is found."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = actual()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError("it never came true")


class Server:
    """``mmerc serve``, forked by ``programs`` or, without these, started ``within`` a command."""

    def __init__(self, programs, folder, model, *options, within=(), **environment):
        self.port = free_port()
        self.folder, self.url = folder, f"http://127.0.0.1:{self.port}"
        places = ["--port", self.port, "--jobs-folder", folder, "--model", model]
        self.arguments = [*map(str, ("serve", *places, *options))]
        self.programs, self.within = programs, [*map(str, within)]
        self.environment = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
        self.log = Path(f"{folder}.log")
        self.start()

    def start(self):
        if self.programs is None:
            command = [*self.within, sys.executable, "-m", "mmerc", *self.arguments]
            with open(self.log, "a") as log:
                self.process = subprocess.Popen(
                    command, stdout=log, stderr=log, env=self.environment
                )
        else:
            self.process = self.programs.start(
                *self.arguments, stdout=self.log, stderr=self.log, environment=self.environment
            )
        until(self.answers)
        return self

    def answers(self):
        assert self.process.poll() is None, self.log.read_text()
        try:
            return requests.get(f"{self.url}/health", timeout=PATIENCE).ok
        except requests.ConnectionError:
            return False

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        """Stop it like a service manager; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def ask(self, method, path, **options):
        return requests.request(method, self.url + path, timeout=PATIENCE, **options)

    def upload(self, film, subtitles=None, *, name=None):
        files = {"recording": (name or film.name, film.read_bytes())}
        if subtitles is not None:
            files["subtitles"] = (subtitles.name, subtitles.read_bytes())
        return self.ask("POST", "/v1/jobs", files=files)

    def idle(self):
        """Wait until no job or upload is unfinished."""
        states = [f'mmerc_jobs{{state="{state}"}} 0.0' for state in OPEN]
        until(lambda: all(state in self.ask("GET", "/metrics").text for state in states))

    def job(self, job):
        return self.ask("GET", f"/v1/jobs/{job}").json()

    def wait(self, job, *states):
        """The job once it is in one of the states."""

        def reached_state():
            actual = self.job(job)
            return actual if actual["state"] in states else None

        return until(reached_state)

    def fork_server(self):
        """Process number of the child that forks the workers; another one tracks resources."""
        numbers = children(self.process.pid)
        (number,) = [n for n in numbers if b"resource_tracker" not in command_line(n)]
        return number

    def workers(self):
        """Process numbers of the workers: children of the server's child that forks them."""
        return [worker for number in children(self.process.pid) for worker in children(number)]


def children(number):
    """Process numbers of a process's children; none of a process that has ended."""
    with suppress(OSError):
        tasks = list(Path(f"/proc/{number}/task").iterdir())
        return [int(n) for task in tasks for n in (task / "children").read_text().split()]
    return []


def command_line(number):
    with suppress(OSError):
        return Path(f"/proc/{number}/cmdline").read_bytes()
    return b""


@contextmanager
def serving(*arguments, **environment):
    """A server that is stopped at the end."""
    server = Server(*arguments, **environment)
    try:
        yield server
    finally:
        server.kill()
