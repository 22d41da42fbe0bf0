"""A sandbox per page: synthetic inputs, and what earlier pages made from them."""

import shlex
import shutil

import pytest
from sandbox import PREPARED, small_recipe, write_inputs
from shell import Shell, call

from mmerc.training import recipe_files


@pytest.fixture(scope="session")
def small_recipes():
    """Recipes by name train for one epoch; nothing else of them changes."""
    with pytest.MonkeyPatch.context() as patch:
        read = recipe_files.read_text
        patch.setattr(recipe_files, "read_text", lambda path: small_recipe(read(path)))
        yield


@pytest.fixture(scope="session")
def workshop(tmp_path_factory, small_recipes):
    """A folder with every input and what earlier pages made."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MMERC_CACHE", str(folder / "cache"))
        write_inputs(folder)
        for line in PREPARED:
            code, _, err = call(shlex.split(line), folder)
            assert code == 0, f"{line}: {err}"
    return folder


@pytest.fixture
def sandbox(workshop, tmp_path, monkeypatch):
    """A copy of the workshop, and the current folder."""
    shutil.copytree(workshop, tmp_path / "w", symlinks=True)
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "w" / "cache"))
    monkeypatch.chdir(tmp_path / "w")
    return tmp_path / "w"


@pytest.fixture
def shell(tmp_path):
    return Shell(tmp_path / "programs")
