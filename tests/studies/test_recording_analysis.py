"""Recordings that change or disappear during a study."""

import errno
import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import replace

import pytest

from mmerc.errors import InputError
from mmerc.inference.pipeline.utterance_sources import FromSpeech
from mmerc.studies.analysis_task import PrepareAnalyzer
from mmerc.studies.sources import choose_source
from mmerc.studies.study_file import StudySettings
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.study_plan import plan_folder
from mmerc.studies.study_tables import write_tables
from short_films import cues, cut, save_model

ROOT, NOBODY = 0, 65534
TALK = "Ann: You came!\nBob: I said I would.\n"

RANDOM = {"model_fingerprint": "random", "code_fingerprint": "one"}


@contextmanager
def not_as_root():
    """Run as user nobody meanwhile, since root can read everything."""
    is_root = os.geteuid() == ROOT
    if is_root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if is_root:
            os.seteuid(ROOT)


@pytest.fixture
def analyzer(tmp_path):
    """A function that analyses in this process, with a small random model."""
    model = save_model(tmp_path / "model", widths={})
    settings = StudySettings(model=str(model))
    prepare = PrepareAnalyzer(study=tmp_path / "out", settings=settings, **RANDOM)
    return prepare()


@pytest.fixture
def recording(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "talk.txt").write_text(TALK)
    return plan_folder(folder).recordings[0]


def test_recording_that_changes_during_its_analysis_is_not_stored(
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
        f"{recording.file}: it, or a file next to it, changed during the analysis; "
        "run the same command again."
    )
    assert StudyFolder(tmp_path / "out").record("talk") is None
    monkeypatch.undo()
    assert analyzer(recording).state == "analysed"
    assert analyzer(recording).state == "unchanged"


def test_excluded_parts_are_removed_from_a_live_study(recording, tmp_path):
    model = save_model(tmp_path / "model", widths={})
    settings = StudySettings(model=str(model), live=True)
    analyzer = PrepareAnalyzer(study=tmp_path, settings=settings, **RANDOM)()
    source = choose_source(analyzer.pipeline.find, replace(recording, exclude=((0.0, 1.0),))).source
    assert source.settings()["as_live"]


def test_results_of_another_code_version_are_outdated(analyzer, recording):
    assert analyzer(recording).state == "analysed"
    assert analyzer(recording).state == "unchanged"
    analyzer.task = replace(analyzer.task, code_fingerprint="another")
    assert analyzer(recording).state == "analysed"


def test_recording_that_disappeared(analyzer, recording):
    recording.file.unlink()
    outcome = analyzer(recording)
    assert (outcome.state, outcome.reason) == (
        "failed",
        f"{recording.file}: no such file or directory.",
    )


def test_recording_without_read_permission(analyzer, recording):
    recording.file.chmod(0)
    with not_as_root():
        outcome = analyzer(recording)
    assert (outcome.state, outcome.reason) == ("failed", f"{recording.file}: permission denied.")


@pytest.mark.parametrize("code", [errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN])
def test_network_path_that_disappears_midway(analyzer, recording, monkeypatch, code):
    """The system's error for a lost network share is the recording's reason, in one sentence."""

    def fail(conversations, *, name):
        raise OSError(code, os.strerror(code), str(recording.file))

    monkeypatch.setattr(analyzer.pipeline, "read", fail)
    outcome = analyzer(recording)
    assert outcome.state == "failed"
    assert outcome.reason == f"{recording.file}: {os.strerror(code).lower()}."


def test_results_that_disappear_before_the_tables_are_written(analyzer, recording, tmp_path):
    outcome = analyzer(recording)
    out = StudyFolder(tmp_path / "out")
    plan = plan_folder(tmp_path / "in")
    shutil.rmtree(out.recordings)
    with pytest.raises(InputError, match="cannot be read, though its recording is finished; run"):
        write_tables(out, plan, [outcome])


def test_video_with_a_face(tmp_path):
    folder, model = tmp_path / "in", tmp_path / "model"
    folder.mkdir()
    cut("photograph", folder / "scene.mp4", seconds=3.0)
    cues("photograph", folder / "scene.srt", count=1)
    save_model(model, widths={"video": 342}, extractors={"video": "denseface"})
    settings = StudySettings(model=str(model))
    prepare = PrepareAnalyzer(study=tmp_path / "out", settings=settings, **RANDOM)
    outcome = prepare()(plan_folder(folder).recordings[0])
    assert (outcome.state, outcome.reason) == ("analysed", "")
    record = StudyFolder(tmp_path / "out").record("scene")
    assert record is not None
    assert record["absent"] == {}


def test_internal_error_affects_one_recording_only(analyzer, recording, monkeypatch):
    def fail(conversations, *, name):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr(analyzer.pipeline, "read", fail)
    outcome = analyzer(recording)
    assert outcome.state == "failed"
    assert outcome.reason.startswith("internal error (ZeroDivisionError: by zero)")


def test_video_with_a_transcript(analyzer, tmp_path):
    """Lines last until the next one; an excluded part removes its line."""
    folder = tmp_path / "in"
    folder.mkdir()
    cut("photograph", folder / "talk.mp4", seconds=8.0)
    (folder / "talk.txt").write_text("[00:01] Lewis: Look at this.\n[00:05] Nora: I see it.\n")
    recording = plan_folder(folder).recordings[0]
    assert analyzer(recording).state == "analysed"
    out = StudyFolder(tmp_path / "out")
    assert out.record("talk")["words_from"] == "transcript"
    said = [json.loads(line) for line in (out.recording("talk") / "talk.jsonl").open()]
    assert [(item["speaker"], item["start"], item["end"]) for item in said] == [
        ("Lewis", 1.0, 5.0), ("Nora", 5.0, pytest.approx(8.0, abs=0.2)),
    ]  # fmt: skip
    assert analyzer(replace(recording, exclude=((1.5, 2.0),))).state == "analysed"
    said = [json.loads(line) for line in (out.recording("talk") / "talk.jsonl").open()]
    assert [item["speaker"] for item in said] == ["Nora"]
    everything = analyzer(replace(recording, exclude=((0.0, 9.0),)))
    assert "all of its utterances are in excluded parts" in everything.reason


def test_untimed_transcript_next_to_a_video_gives_a_remark(recording, tmp_path):
    film = replace(recording, file=tmp_path / "talk.mp4", transcript=recording.file)
    chosen = choose_source(FromSpeech(language="en"), film)
    assert (chosen.source, chosen.words_from) == (FromSpeech(language="en"), "speech")
    assert chosen.remarks == ("talk.txt lacks times: the speech was transcribed.",)
