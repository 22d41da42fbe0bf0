"""A sandbox per page: synthetic inputs, and the outputs of earlier pages."""

import contextlib
import shlex
import time
import urllib.request

import pytest
from sandbox import PREPARED, small_recipe, write_inputs
from shell import Shell, call

from copies import copy_folder
from mmerc.training import recipe_files
from ports import free_port

SERVER_PATIENCE = 480  # half seconds; the machine may be busy


def train_for_one_epoch(patch):
    """Recipes given by name train for one epoch and are otherwise unchanged."""
    read = recipe_files.read_text
    patch.setattr(recipe_files, "read_text", lambda path: small_recipe(read(path)))


@pytest.fixture(scope="session")
def workshop(tmp_path_factory):
    """A folder with every input and the outputs of earlier pages."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        train_for_one_epoch(patch)
        patch.setenv("MMERC_CACHE", str(folder / "cache"))
        write_inputs(folder)
        for line in PREPARED:
            code, _, err = call(shlex.split(line), folder)
            assert code == 0, f"{line}: {err}"
    return folder


@pytest.fixture
def sandbox(workshop, tmp_path, monkeypatch):
    """A copy of the workshop as the current folder."""
    train_for_one_epoch(monkeypatch)
    copy_folder(workshop, tmp_path / "w")
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "w" / "cache"))
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path / "programs")


@pytest.fixture
def start_server(tmp_path, program):
    """A function that starts ``mmerc serve`` in a separate process and returns its port."""
    processes = []

    def start():
        port = free_port()
        log = tmp_path / "server.log"
        folder = tmp_path / "jobs"
        command = ("serve", "--port", port, "--jobs-folder", folder)
        processes.append(program.start(*command, stdout=log, stderr=log))
        for _ in range(SERVER_PATIENCE):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/health").close()
                return port
            time.sleep(0.5)
        raise AssertionError(log.read_text())

    yield start
    for process in processes:
        process.kill()
        process.wait()
