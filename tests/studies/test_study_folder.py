"""The folder of a study's results."""

from mmerc.files import atomic_file
from mmerc.studies.study_folder import LOCK, StudyFolder


def test_leftovers_of_a_killed_command_are_removed(tmp_path):
    (tmp_path / LOCK).touch()
    (tmp_path / "recordings" / ".talk.x").mkdir(parents=True)
    for name in ("utterances.csv", "report.html"):
        with atomic_file(tmp_path / name) as begun:
            (tmp_path / f"{begun.name}1").write_text("half a table")
    (tmp_path / ".notes.txt").write_text("mine")
    with StudyFolder(tmp_path).lock():
        names = {path.name for path in tmp_path.iterdir()}
        assert names == {LOCK, "recordings", ".notes.txt", "utterances.csv", "report.html"}
        assert not list((tmp_path / "recordings").iterdir())


def test_files_being_written_by_another_command_stay(tmp_path):
    """Reports are written without the study's lock."""
    folder = StudyFolder(tmp_path)
    with folder.lock(), atomic_file(tmp_path / "report.html") as report:
        report.write_text("half")
        folder._remove_leftovers()
        assert report.read_text() == "half"
        report.write_text("whole")
    assert (tmp_path / "report.html").read_text() == "whole"
