"""Files at a URL: what is said where they cannot be copied, and what stays on this machine."""

import errno
import os

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from mmerc.errors import InputError
from mmerc.studies.fetched_recording import discard_copies, fetched
from mmerc.studies.remote_files import RemoteFolder, describe_place
from mmerc.studies.remote_plan import plan_url
from mmerc.studies.remote_results import RemoteResults


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (TimeoutError("timed out"), "memory://lab/x.txt: cannot be reached (timed out); check"),
        (FileNotFoundError(), "memory://lab/x.txt: no such file or folder; check the address."),
        (
            OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
            "{target}: cannot be written (no space left on device); free space",
        ),
    ],
)
def test_what_keeps_a_file_from_being_copied(tmp_path, monkeypatch, error, sentence):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(MemoryFileSystem, "get_file", fail)
    target = tmp_path / "x.txt"
    with pytest.raises(InputError) as caught:
        RemoteFolder("memory://lab").fetch("x.txt", target)
    assert str(caught.value).startswith(sentence.format(target=target))
    assert not list(tmp_path.iterdir())


def test_a_url_that_is_none_is_described_without_a_password():
    assert describe_place("ftp://ann:sec[ret@host/x") == "ftp://..."
    with pytest.raises(InputError, match=r"^ftp://\.\.\.: cannot be reached"):
        RemoteFolder("ftp://ann:sec[ret@host/x").names()


def test_the_copy_of_results_is_not_named_by_a_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path))
    assert RemoteResults(RemoteFolder("ftp://ann:secret@host")).copy.path.name == "host"
    assert RemoteResults(RemoteFolder("s3://lab/study/")).copy.path.name == "study"


def test_tables_that_a_study_file_lists_and_what_a_killed_worker_leaves(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/talk.csv").write_text("speaker,text\nAnn,Hello\n")
    (tmp_path / "in/study.yaml").write_text("recordings:\n- {file: talk.csv}\n")
    plan = plan_url((tmp_path / "in").as_uri())
    with fetched(plan.recordings[0], study=tmp_path) as local:
        assert local.file.read_text().endswith("Ann,Hello\n")
        discard_copies(plan.recordings, study=tmp_path)
        assert not list(tmp_path.glob("cache/fetched/*"))
