"""The folder of a study's results."""

from mmerc.files import atomic_file
from mmerc.studies.study_folder import LOCK, StudyFolder


def test_what_a_killed_command_began_is_removed(tmp_path):
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
