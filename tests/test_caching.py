"""The cache: its location, and a cache that cannot be written."""

import os
import subprocess
import sys

import pytest

from mmerc.caching import cache_folder, configured_cache, optional_write
from mmerc.errors import InputError


def test_cache_folder_follows_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "own"))
    assert cache_folder() == configured_cache() == tmp_path / "own"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("MMERC_CACHE", "")
    assert cache_folder() == configured_cache() == tmp_path / ".cache" / "mmerc"


def test_unwritable_cache_is_replaced_with_one_remark(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "file" / "cache"))
    folder = cache_folder()
    (folder / "a").write_text("")
    assert cache_folder() == folder  # from now on
    (remark,) = caplog.messages
    assert remark.startswith(f"The cache {tmp_path}/file/cache cannot be written (")
    assert "MMERC_CACHE" in remark


def test_temporary_cache_is_removed_with_its_process(tmp_path):
    script = "from mmerc.caching import cache_folder; print(cache_folder(), cache_folder())"
    environment = {**os.environ, "MMERC_CACHE": "/dev/null/cache", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    first, second = run.stdout.split()
    assert first == second
    assert first.startswith(str(tmp_path))
    assert list(tmp_path.iterdir()) == []
    assert len(run.stderr.splitlines()) == 1


@pytest.mark.parametrize("error", [OSError(28, "No space left"), InputError("x", "is full", "y")])
def test_failed_writes_give_one_remark(error, caplog):
    for _ in range(2):
        with optional_write():
            raise error
    assert len(caplog.messages) == 1
    assert "MMERC_CACHE" in caplog.text


def test_other_errors_are_raised():
    with pytest.raises(ValueError, match="wrong"), optional_write():
        raise ValueError("wrong")


SHOW = (
    "import mmerc.caching, os; mmerc.caching.cache_matplotlib(); print(os.environ['MPLCONFIGDIR'])"
)


@pytest.mark.parametrize(
    ("variables", "folder"),
    [
        ({"MMERC_CACHE": "own"}, "own/matplotlib"),
        ({"HOME": "."}, ".cache/mmerc/matplotlib"),
        ({"MPLCONFIGDIR": "chosen"}, "chosen"),
        ({"MMERC_CACHE": "/dev/null/cache"}, "mmerc-matplotlib-"),
    ],
)
def test_matplotlib_uses_the_cache(tmp_path, variables, folder):
    variables = {name: str(tmp_path / value) for name, value in variables.items()}
    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", SHOW]
    run = subprocess.run(
        command, env=environment | variables, capture_output=True, text=True, check=True
    )
    assert run.stdout.startswith(str(tmp_path / folder))
    assert not list(tmp_path.glob("mmerc-matplotlib-*"))
