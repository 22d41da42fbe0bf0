"""How the program exits: when interrupted, when its output is closed, and in a plain locale."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from mmerc.data.corpus import PreparedCorpus

PLAIN = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def call(*arguments, **options):
    command = [sys.executable, "-m", "mmerc", *arguments]
    return subprocess.run(command, capture_output=True, check=False, **options)


@pytest.mark.parametrize("moment", range(3))
def test_interrupted_preparation_leaves_nothing(
    program, write_manifest, conversations, tmp_path, moment
):
    many = [item | {"id": f"{item['id']}-{i}"} for item in conversations for i in range(100)]
    file = write_manifest(tmp_path / "my.jsonl", many)
    stderr = tmp_path / "stderr"
    arguments = ("prepare", "manifest", file, "--out", tmp_path / "out")
    process = program.start(*arguments, stderr=stderr, session=True)
    time.sleep(random.Random(moment).uniform(0.5, 2))
    process.send_signal(signal.SIGINT)
    process.wait()
    names = {path.name for path in tmp_path.iterdir()} - {"my.jsonl", "stderr"}
    if process.returncode:  # otherwise it had already exited
        # A signal before the program runs, or after it has finished, ends the interpreter.
        assert process.returncode in {130, -signal.SIGINT}
        assert stderr.read_text() in {"mmerc: interrupted.\n", ""}
    assert names <= {"out"}
    if names:  # the signal came after the last step
        splits = PreparedCorpus.load(tmp_path / "out").splits
        assert sum(map(len, splits.values())) == len(many)
    else:
        assert process.returncode


def test_closed_output_pipe_ends_quietly():
    command = f"set -o pipefail; {sys.executable} -m mmerc licences | head -n 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode in {0, 1}, done.stderr) == (True, "")
    assert done.stdout.startswith("component")


def test_full_output_device_is_reported():
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "mmerc", "licences"]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (1, b"mmerc: no space left on device.\n")


def test_plain_locale_prints_every_name_and_word(tmp_path):
    manifest = '{"id": "a", "utterances": [{"id": "1", "speaker": "Åsa ☃", "text": "Grüße"}]}\n'
    (tmp_path / "Grüße ☃.jsonl").write_text(manifest, encoding="utf-8")
    done = call("check", "Grüße ☃.jsonl", cwd=tmp_path, env=os.environ | PLAIN)
    assert done.returncode == 0, done.stderr
    assert done.stdout.decode().startswith("Gr")
    assert "speakers: Åsa ☃ (1)" in done.stdout.decode()
