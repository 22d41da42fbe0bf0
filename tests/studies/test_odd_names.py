"""File names that are difficult in YAML, tables or file systems."""

from mmerc.cli.study_run import _describe_former
from mmerc.studies.new_study import write_study_file
from mmerc.studies.study_folder import StudyFolder
from mmerc.studies.study_plan import plan_files, plan_folder

ODD = (
    "Talk.txt", "talk.TXT", "x" * 230 + ".txt", "=1+1.txt", "two\nlines.txt", "bad\udcff.txt",
)  # fmt: skip


def test_folder_with_odd_names_can_be_planned_and_listed(tmp_path):
    for name in ODD:
        (tmp_path / name).write_text("Ann: You came!\nBob: I did.\n")
    plan = plan_folder(tmp_path)
    assert [item.name for item in plan.recordings] == ["=1+1", "two\nlines", "x" * 230]
    reasons = {item.file: item.reason for item in plan.failed}
    assert set(reasons) == {"Talk.txt", "talk.TXT", "bad?.txt"}
    assert reasons["bad?.txt"] == "its path is not UTF-8 text; rename it"
    (single,) = plan_files([tmp_path / ODD[-1]]).failed
    assert single.name == "bad?"
    _, remarks = write_study_file(tmp_path)
    assert remarks == [f"{tmp_path / ODD[-1]}: its path is not UTF-8 text."]
    plan = plan_folder(tmp_path)
    names = ["=1+1", "Talk-txt", "talk-TXT-2", "two\nlines", "x" * 190]
    assert [item.name for item in plan.recordings] == names
    assert not plan.failed


def test_only_finished_recordings_are_listed(tmp_path):
    study = StudyFolder(tmp_path)
    assert study.list_finished() == []
    for name in ("b", "a", "half"):
        study.recording(name).mkdir(parents=True)
    for name in ("b", "a"):
        (study.recording(name) / "recording.json").write_text("{}")
    assert study.list_finished() == ["a", "b"]
    (line,) = _describe_former(study.list_finished(), tmp_path)
    assert line.startswith("no longer in the study or its tables: a, b; the earlier results")
