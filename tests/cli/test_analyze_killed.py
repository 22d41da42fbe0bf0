"""``mmerc analyze`` killed repeatedly by real signals, and two of them running at once."""

import json
import re
import signal
import time

import pytest
from folders import assert_files, results

from mmerc.features.journal import _whole_rows
from short_films import cut, save_model

TRACKS_WIDTH = 4 * (6 + 128 + 342)  # of four faces: tracks, identities, vectors
PATIENCE = 120  # seconds until a test gives up waiting


def content(path):
    """A result without its time of writing."""
    return re.sub(r'DATE="[^"]+"', "", path.read_text())


@pytest.fixture
def started(tmp_path, program):
    """A function that starts the program; remaining processes are killed at the end."""
    running = []

    def start(*arguments):
        errors = tmp_path / f"stderr-{len(running)}"
        running.append(program.start("analyze", *arguments, stdout=errors, stderr=errors))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def wait_until(actual, process):
    """Poll until a value is found."""
    for _ in range(PATIENCE * 100):
        if actual():
            return actual()
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    raise AssertionError("nothing was found in time")


def test_killed_analysis_resumes_and_excludes_others(mmerc, started, tmp_path):
    film = cut("photograph", tmp_path / "scene.mp4", seconds=8.0)
    model = save_model(tmp_path / "model")
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    work = killed / ".scene.mp4.mmerc"
    arguments = (film, "--model", model, "--workers", 1)

    def lines():
        path = work / "words.jsonl"
        return path.read_text().splitlines() if path.is_file() else []

    def faces():
        journals = work.glob("vectors-*/video-*/journal.arrows")
        rows = [list(_whole_rows(path, TRACKS_WIDTH)) for path in journals]
        return rows[0] if rows else []

    process = started(*arguments, "--out", killed)
    wait_until(lines, process)
    process.send_signal(signal.SIGSTOP)
    outcome = mmerc("analyze", *arguments, "--out", killed, "--quiet")
    assert (outcome.code, outcome.out) == (1, "")
    assert "another analysis is using it" in outcome.sentence
    process.kill()
    assert process.wait() == -signal.SIGKILL
    spoken = lines()
    assert len(spoken) == 1

    process = started(*arguments, "--out", killed)
    wait_until(faces, process)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert lines()[: len(spoken)] == spoken
    message = (tmp_path / "stderr-1").read_text().splitlines()
    assert "transcribing: 1 of 2" in message
    assert "detecting speech" not in message
    assert len(faces()) == 1
    assert_files(killed, [".scene.mp4.mmerc"])

    outcome = mmerc("analyze", *arguments, "--out", killed)
    assert outcome.code == 0, outcome.err
    message = outcome.err.splitlines()
    assert "detecting speech" not in message
    assert [line for line in message if "transcribing" in line] == ["transcribing: 2 of 2"]
    assert not [line for line in message if "sound" in line]
    assert [line for line in message if "faces" in line] == ["faces: 2 of 2"]

    assert mmerc("analyze", *arguments, "--out", whole, "--quiet").code == 0
    names = results("scene")
    for folder in (whole, killed):
        assert_files(folder, names | {"scene.mp4"})
    other = [name for name in names if content(whole / name) != content(killed / name)]
    assert other == []
    texts = [json.loads(line)["text"] for line in (killed / "scene.jsonl").read_text().splitlines()]
    assert "better" in texts[0]
