"""Recordings that change or disappear while a study runs."""

import os

import pytest

from mmerc.studies.recording_analysis import PrepareAnalyzer
from mmerc.studies.study_file import StudySettings
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.study_plan import plan_folder
from short_films import save_model

TALK = "Ann: You came!\nBob: I said I would.\n"


@pytest.fixture
def analyzer(tmp_path):
    """A function that analyses in this process, with a small random model."""
    model = save_model(tmp_path / "model", widths={})
    settings = StudySettings(model=str(model))
    prepare = PrepareAnalyzer(study=tmp_path / "out", settings=settings, model_fingerprint="random")
    return prepare()


@pytest.fixture
def recording(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "talk.txt").write_text(TALK)
    return plan_folder(folder).recordings[0]


def test_a_recording_that_changes_during_its_analysis_is_not_stored(
    analyzer, recording, tmp_path, monkeypatch
):
    read = analyzer.pipeline.read

    def change_and_read(conversations, *, name):
        recording.file.write_text(TALK + "Ann: And so on.\n")
        return read(conversations, name=name)

    monkeypatch.setattr(analyzer.pipeline, "read", change_and_read)
    outcome = analyzer(recording)
    assert outcome.state == "failed"
    assert outcome.reason == (
        f"{recording.file}: it, or a file beside it, changed during the analysis; "
        "run the same command again."
    )
    assert StudyFolder(tmp_path / "out").record("talk") is None
    monkeypatch.undo()
    assert analyzer(recording).state == "analysed"
    assert analyzer(recording).state == "unchanged"


def test_a_recording_that_disappeared(analyzer, recording):
    recording.file.unlink()
    outcome = analyzer(recording)
    assert (outcome.state, outcome.reason) == (
        "failed",
        f"{recording.file}: no such file or directory.",
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_recording_that_may_not_be_read(analyzer, recording):
    recording.file.chmod(0)
    assert "permission denied" in analyzer(recording).reason


def test_an_internal_error_is_the_recordings_own(analyzer, recording, monkeypatch):
    def fail(conversations, *, name):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(analyzer.pipeline, "read", fail)
    outcome = analyzer(recording)
    assert outcome.state == "failed"
    assert outcome.reason.startswith("internal error (ZeroDivisionError: by zero)")
