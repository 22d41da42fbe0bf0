"""Models and recordings for several tests of the pipeline."""

import pytest

from mmerc.inference.pipeline.progress import ignore_progress
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import probe
from short_films import cues, cut, save_model


@pytest.fixture(scope="session")
def models(tmp_path_factory):
    """Folder with models ``all`` (text, audio, faces), ``heard`` (text, audio), ``read`` (text)."""
    folder = tmp_path_factory.mktemp("models")
    save_model(folder / "all")
    save_model(folder / "heard", widths={"audio": 1582})
    save_model(folder / "read", widths={})
    return folder


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Folder with ``scene.mp4`` (Lewis, then Nora, 8 s), its subtitles, and its audio only."""
    folder = tmp_path_factory.mktemp("films")
    cut("photograph", folder / "scene.mp4", seconds=8.0)
    cues("photograph", folder / "scene.srt", count=2)
    cut("photograph", folder / "sound.m4a", seconds=8.0, kinds=["audio"])
    cut("photograph", folder / "mute.mp4", seconds=8.0, kinds=["video"])
    return folder


@pytest.fixture(scope="session")
def scene(films):
    """Container information of the scene."""
    return probe(films / "scene.mp4")


@pytest.fixture(scope="session")
def converted(tmp_path_factory):
    """A cache that keeps the face detector's converted weights."""
    return tmp_path_factory.mktemp("converted")


@pytest.fixture(autouse=True)
def own_cache(converted, monkeypatch):
    """Shared fixtures must not be changed by a test."""
    monkeypatch.setenv("MMERC_CACHE", str(converted))


@pytest.fixture
def find(tmp_path):
    """A function that runs a first stage on a recording."""

    def actual(stage, recording):
        with WorkFolder.open(tmp_path / "work", of=stage.settings()) as work:
            return stage(recording, probe(recording), work=work, report=ignore_progress)

    return actual
