"""The program in separate processes that start fast (see ``forking``)."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

PATIENCE = 600  # seconds; the machine may be busy


class Program:
    """A running program with the interface of ``subprocess.Popen``."""

    def __init__(self, ask, arguments, *, environment, folder, stdout, stderr, session):
        self.args, self.returncode = arguments, None
        self._ask = ask
        self.stdout, self.stderr = Path(stdout), Path(stderr)
        self.pid = ask(
            arguments=[os.fsencode(word).decode("latin-1") for word in arguments],
            environment=environment, folder=str(folder),
            stdout=str(stdout), stderr=str(stderr), session=session,
        )  # fmt: skip

    def poll(self):
        if self.returncode is None:
            self.returncode = self._ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout=PATIENCE):
        end = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(self.args, timeout)
            time.sleep(0.01)
        return self.returncode

    def send_signal(self, number):
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self):
        self.send_signal(signal.SIGKILL)


class Programs:
    """Starts programs; ``within`` is a command that starts the process they are forked from.

    That process has imported ``libraries``: "all" slow ones, or "few".
    """

    def __init__(self, *, within=(), python=sys.executable, environment=None, libraries="all"):
        script = Path(__file__).with_name("forking.py")
        self.process = subprocess.Popen(
            [*map(str, (*within, python, script, libraries))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd="/",
        )  # fmt: skip
        self.environment = environment

    def ask(self, **request):
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(
        self, *arguments, stdout=os.devnull, stderr=os.devnull, environment=None, folder=None,
        session=False,
    ):  # fmt: skip
        """Start the program with the given environment, or that of this process."""
        own = environment or self.environment or os.environ
        return Program(
            self.ask, [*map(str, arguments)], environment=dict(own), folder=folder or Path.cwd(),
            stdout=stdout, stderr=stderr, session=session,
        )  # fmt: skip

    def run(self, *arguments, timeout=PATIENCE, **options):
        """Run the program to its end."""
        with tempfile.TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)
            files = [Path(folder, name) for name in ("stdout", "stderr")]
            for file in files:
                file.touch()
                file.chmod(0o666)  # for programs of another user
            program = self.start(*arguments, stdout=files[0], stderr=files[1], **options)
            try:
                program.wait(timeout)
            finally:
                program.kill()
            return subprocess.CompletedProcess(
                program.args, program.returncode, *(file.read_text() for file in files)
            )

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=PATIENCE)


@contextmanager
def programs(**settings):
    """Programs, all of which have exited at the end."""
    started = Programs(**settings)
    try:
        yield started
    finally:
        started.close()
