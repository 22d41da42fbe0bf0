"""Runs shell examples in bash; ``mmerc`` in them is called in this process."""

import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

from documents import ROOT

from mmerc.cli import main

CLIENT = """\
#!{python} -IS
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    asked.sendall(json.dumps([os.getcwd(), sys.argv[1:]]).encode() + b"\\n")
    code, out, err = json.loads(asked.makefile().read())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
PIP = """\
#!{python} -IS
import re, sys
for name in re.findall(r"mmerc\\[([^]]*)", " ".join(sys.argv)):
    unknown = set(name.split(",")) - set({extras!r})
    if unknown:
        sys.exit("no such extra: " + ", ".join(sorted(unknown)))
"""
CURL = 'curl() { command curl --silent --fail-with-body "${@//127.0.0.1:8000/127.0.0.1:$PORT}"; }\n'


class Shell:
    """Bash with three commands replaced.

    ``mmerc`` runs in this process, so that torch is loaded only once. ``pip`` only checks
    that the requested extras exist. ``curl`` connects to the server at ``port``.
    """

    def __init__(self, programs: Path, *, port=0):
        programs.mkdir()
        self.port, self.path = port, programs
        self.address = str(programs / "s")
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        replaced = {
            "mmerc": CLIENT.format(python=sys.executable, address=self.address),
            "pip": PIP.format(python=sys.executable, extras=[*extras["optional-dependencies"]]),
        }
        for name, text in replaced.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)

    def run(self, text, folder):
        """Run a script in a folder; raises AssertionError with its output if it fails."""
        path = f"{self.path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        script = f"set -euo pipefail\n{CURL}{text}"
        with socket.socket(socket.AF_UNIX) as server, open(f"{self.address}.out", "w+") as output:
            server.bind(self.address)
            server.listen()
            server.settimeout(0.05)
            process = subprocess.Popen(
                [shutil.which("bash"), "-c", script], cwd=folder, stdout=output,
                stderr=subprocess.STDOUT, env={**os.environ, "PATH": path, "PORT": str(self.port)},
            )  # fmt: skip
            while process.poll() is None:
                with contextlib.suppress(TimeoutError):
                    _answer(server)
            Path(self.address).unlink()
            output.seek(0)
            said = output.read()
        assert process.returncode == 0, f"{textwrap.shorten(text, 300)}\n{said[-3000:]}"
        return said


def _answer(server):
    asked, _ = server.accept()
    with asked, asked.makefile() as lines:
        folder, arguments = json.loads(lines.readline())
        asked.sendall(json.dumps(call(arguments, folder)).encode())


def call(arguments, folder):
    """Exit code, stdout and stderr of the program."""
    out, err, before = io.StringIO(), io.StringIO(), (sys.argv, Path.cwd())
    sys.argv = ["mmerc", *arguments]
    os.chdir(folder)
    code = 0
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
    except SystemExit as error:
        code = error.code or 0
    finally:
        sys.argv = before[0]
        os.chdir(before[1])
    return code, out.getvalue(), err.getvalue()
