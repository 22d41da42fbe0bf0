"""A disk that is full in the middle of a reproduction: a small one, mounted for the test."""

import os
import shutil
import subprocess

import pytest

from mmerc.errors import InputError
from mmerc.experiments.reproduction.reproduce import reproduce


@pytest.fixture
def disk(tmp_path):
    """Folder of a disk of 8 MiB in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount to make a small disk with")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # a failed run's log is open still


@pytest.fixture
def leave(disk):
    """A function that fills the disk but for so many bytes; without any it is emptied again."""
    ballast = disk / "ballast"

    def call(free=None):
        ballast.unlink(missing_ok=True)
        if free is not None:
            state = os.statvfs(disk)
            ballast.write_bytes(bytes(state.f_bavail * state.f_frsize - free))

    return call


def files(folder, name="*"):
    return {path: path.stat().st_mtime_ns for path in folder.rglob(name) if path.is_file()}


def finished_files(out):
    return {path: n for seed in out.rglob("seed.json") for path, n in files(seed.parent).items()}


def test_what_was_finished_on_a_disk_that_is_full_then_is_kept(
    disk, leave, make_settings, corpus_folder, finished
):
    seed, *_ = sorted(finished.rglob("seed-0"))
    size = sum(4096 * -(-path.stat().st_size // 4096) for path in seed.rglob("*") if path.is_file())
    out, lines = disk / "out", []

    def call(**settings):
        settings = make_settings(corpus_folder, out, rows=("-DDM",), use_cache=False, **settings)
        return reproduce("df-erc-table2", settings)["df-erc-table2"]

    leave(3 * size)
    with pytest.raises(InputError, match="no space left on device") as caught:
        call()
    assert "\n" not in str(caught.value)
    kept = finished_files(out)
    count = len(list(out.rglob("seed.json")))
    assert 1 <= count < 4

    leave()
    predictions = call(lines=lines)
    assert lines[0] == f"{4 - count} of 4 trainings remain"
    assert finished_files(out).items() >= kept.items()
    assert [row["seeds"] for row in predictions.rows] == [2, 2]

    shutil.rmtree(predictions.folder)
    before = files(out / "runs")
    leave(100_000)
    with pytest.raises(InputError, match="no space left on device"):
        call(train=False)
    assert not files(predictions.folder, ".*")
    leave()
    assert call(train=False).rows == predictions.rows
    assert files(out / "runs") == before
