"""A disk that fills up during a reproduction: a small one, mounted for the test."""

import shutil

import pytest

from mmerc.errors import InputError
from mmerc.experiments.reproduction.reproduce import reproduce


def files(folder, name="*"):
    return {path: path.stat().st_mtime_ns for path in folder.rglob(name) if path.is_file()}


def finished_files(out):
    return {path: n for seed in out.rglob("seed.json") for path, n in files(seed.parent).items()}


def test_finished_work_is_kept_when_the_disk_fills(
    disk, set_free_space, make_settings, corpus_folder, finished
):
    seed, *_ = sorted(finished.rglob("seed-0"))
    size = sum(4096 * -(-path.stat().st_size // 4096) for path in seed.rglob("*") if path.is_file())
    out, lines = disk / "out", []

    def call(**settings):
        settings = make_settings(corpus_folder, out, rows=("-DDM",), use_cache=False, **settings)
        return reproduce("df-erc-table2", settings)["df-erc-table2"]

    set_free_space(3 * size)
    with pytest.raises(InputError, match="no space left on device") as caught:
        call()
    assert "\n" not in str(caught.value)
    kept = finished_files(out)
    count = len(list(out.rglob("seed.json")))
    assert 1 <= count < 4

    set_free_space()
    predictions = call(lines=lines)
    assert lines[0] == f"{4 - count} of 4 trainings remain"
    assert finished_files(out).items() >= kept.items()
    assert [row["seeds"] for row in predictions.rows] == [2, 2]

    shutil.rmtree(predictions.folder)
    before = files(out / "runs")
    set_free_space(100_000)
    with pytest.raises(InputError, match="no space left on device"):
        call(train=False)
    assert not files(predictions.folder, ".*")
    set_free_space()
    assert call(train=False).rows == predictions.rows
    assert files(out / "runs") == before
