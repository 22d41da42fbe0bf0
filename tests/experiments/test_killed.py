"""``mmerc reproduce`` with two trainings at a time, stopped and killed by real signals."""

import json
import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import pytest
from very_small import SMALL

from mmerc.errors import MmercError
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.reproduction.reproduce import reproduce
from mmerc.training.folder import _TRAINING_STATE

PATIENCE = 400  # seconds until the test gives up waiting
LONGER = (*SMALL, "training.epochs=5")


def finished_seeds(out):
    return {path.parent for path in out.rglob("seed.json")}


def states(folders):
    """When each file was written, without files that a kill may leave just before their removal."""
    return {
        p: p.stat().st_mtime_ns
        for f in folders
        for p in f.rglob("*")
        if p.is_file() and p.name not in _TRAINING_STATE
    }


def running(session):
    """States of the running processes of a session."""
    actual = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            state, _, _, own, *_ = stat.read_text().rpartition(")")[2].split()
            actual += [state] * (int(own) == session and state != "Z")
    return actual


def wait_until(condition):
    """Look again and again until something is found."""
    until = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < until, "nothing was found in time"
        time.sleep(0.01)


@pytest.fixture
def started(corpus_folder, tmp_path, program):
    """The program running in a folder, in its own process group."""
    changes = [part for change in LONGER for part in ("--set", change)]
    arguments = [
        "reproduce", "df-erc-table2", "--row", "-DDM",
        "--corpus", corpus_folder, "--out", tmp_path / "out", "--seeds", "2", "--jobs", "2",
        "--no-cache", "--accelerator", "cpu", *changes,
    ]  # fmt: skip
    process = program.start(*arguments, stderr=tmp_path / "stderr", session=True)
    yield process
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def test_finished_work_survives_a_kill_and_the_rest_continues(
    started, make_settings, corpus_folder, tmp_path
):
    out = tmp_path / "out"
    wait_until(lambda: finished_seeds(out) or started.poll() is not None)
    assert started.poll() is None, (tmp_path / "stderr").read_text()
    os.killpg(started.pid, signal.SIGSTOP)
    settings = make_settings(corpus_folder, out, rows=("-DDM",), changes=LONGER, use_cache=False)
    with pytest.raises(MmercError, match="another process is at work in this folder"):
        reproduce("df-erc-table2", settings)
    started.kill()
    assert started.wait() == -signal.SIGKILL
    os.killpg(started.pid, signal.SIGCONT)
    wait_until(lambda: not running(started.pid))  # its workers exit with it
    kept = finished_seeds(out)
    assert 1 <= len(kept) < 4
    before = states(kept)

    lines = []
    again = make_settings(
        corpus_folder, out, rows=("-DDM",), changes=LONGER, use_cache=False, lines=lines
    )
    (predictions,) = reproduce("df-erc-table2", again).values()
    assert lines[0] == f"{4 - len(kept)} of 4 trainings remain"
    assert states(kept) == before
    assert len(finished_seeds(out)) == 4
    assert [row["seeds"] for row in predictions.rows] == [2, 2]
    assert {json.loads(p.read_text())["threads"] for p in out.rglob("machine.json")} == {1}

    whole = tmp_path / "whole"
    undisturbed = make_settings(corpus_folder, whole, seeds=1, changes=LONGER, use_cache=False)
    reproduce("df-erc-figure11", undisturbed)
    (path,) = whole.rglob("predictions-test.parquet")
    other = Predictions.load(out / path.relative_to(whole))
    assert (Predictions.load(path).probabilities == other.probabilities).all()
