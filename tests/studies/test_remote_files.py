"""Files at a URL: messages if they cannot be copied, and leftovers on this machine."""

import errno
import os
import re
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
from fsspec.implementations.local import LocalFileSystem
from fsspec.implementations.memory import MemoryFileSystem

from mmerc.errors import InputError
from mmerc.media.text_files import LARGEST_TEXT
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
def test_reasons_not_to_copy_a_file(tmp_path, monkeypatch, error, sentence):
    def fail(*arguments, **options):
        raise error

    monkeypatch.setattr(MemoryFileSystem, "get_file", fail)
    target = tmp_path / "x.txt"
    with pytest.raises(InputError) as caught:
        RemoteFolder("memory://lab").fetch("x.txt", target)
    assert str(caught.value).startswith(sentence.format(target=target))
    assert not list(tmp_path.iterdir())


def test_invalid_url_is_reported_without_its_password():
    assert describe_place("ftp://ann:sec[ret@host/x") == "ftp://..."
    with pytest.raises(InputError, match=r"^ftp://\.\.\.: cannot be reached"):
        RemoteFolder("ftp://ann:sec[ret@host/x").names()


def test_copy_of_results_is_not_named_after_a_password(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path))
    assert RemoteResults(RemoteFolder("ftp://ann:secret@host")).copy.path.name == "host"
    assert RemoteResults(RemoteFolder("s3://lab/study/")).copy.path.name == "study"


def test_listed_tables_and_leftovers_of_a_killed_worker(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "in").mkdir()
    (tmp_path / "in/talk.csv").write_text("speaker,text\nAnn,Hello\n")
    (tmp_path / "in/study.yaml").write_text("recordings:\n- {file: talk.csv}\n")
    plan = plan_url((tmp_path / "in").as_uri())
    with fetched(plan.recordings[0], study=tmp_path) as local:
        assert local.file.read_text().endswith("Ann,Hello\n")
        discard_copies(plan.recordings, study=tmp_path)
        assert not list(tmp_path.glob("cache/fetched/*"))


@pytest.mark.parametrize("known", [True, False], ids=["size known", "size unknown"])
def test_too_large_remote_subtitles_are_not_copied(tmp_path, monkeypatch, known):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "talk.mp4").write_bytes(b"film")
    with open(folder / "talk.srt", "wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    info = LocalFileSystem.info
    if not known:
        monkeypatch.setattr(LocalFileSystem, "info", lambda *a: {**info(*a), "size": None})
    (recording,) = plan_url(folder.as_uri()).recordings
    where = f"{folder.as_uri()}/talk.srt"
    with (
        pytest.raises(InputError, match=f"^{re.escape(where)}: larger than 16 MB; check"),
        fetched(recording, study=tmp_path),
    ):
        pass
    assert not [path for path in tmp_path.glob("cache/**/*") if path.is_file()]
    os.truncate(folder / "talk.srt", LARGEST_TEXT)
    with fetched(recording, study=tmp_path) as local:
        assert local.subtitles.stat().st_size == LARGEST_TEXT


def test_remote_video_with_embedded_subtitles_can_be_large(tmp_path, monkeypatch):
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "in"
    folder.mkdir()
    with open(folder / "talk.mkv", "wb") as file:
        file.truncate(LARGEST_TEXT + 1)
    (folder / "study.yaml").write_text("recordings: [{file: talk.mkv, subtitles: talk.mkv}]\n")
    (recording,) = plan_url(folder.as_uri()).recordings
    with fetched(recording, study=tmp_path) as local:
        assert local.subtitles == local.file
        assert local.file.stat().st_size == LARGEST_TEXT + 1


class _Streaming(SimpleHTTPRequestHandler):
    """Serves complete files only."""

    def end_headers(self):
        self.send_header("Accept-Ranges", "none")
        super().end_headers()

    def log_message(self, *arguments):
        pass


def test_small_file_is_read_completely_from_a_streaming_server(tmp_path):
    content = b"a line of subtitles\n" * 100_000
    (tmp_path / "talk.srt").write_bytes(content)
    handler = partial(_Streaming, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = RemoteFolder(f"http://127.0.0.1:{server.server_port}")
        actual = place.read_small("talk.srt", largest=LARGEST_TEXT)
        start = place.read_start("talk.srt", 1_000_000)
        server.shutdown()
    assert actual == content
    assert start == content[:1_000_000]


def test_remote_captions_of_an_analysis_are_not_subtitles(tmp_path):
    for name, start in (("own", "WEBVTT\n\nNOTE emotions in own.mp4\n"), ("other", "WEBVTT\n\n")):
        (tmp_path / f"{name}.mp4").write_bytes(b"film")
        (tmp_path / f"{name}.vtt").write_text(start + "x" * 100)
    other, own = plan_url(tmp_path.as_uri()).recordings
    assert (other.subtitles.name, own.subtitles) == ("other.vtt", None)


def test_captions_of_another_study_are_not_read(tmp_path, monkeypatch):
    results = tmp_path / "earlier" / "recordings" / "talk"
    results.mkdir(parents=True)
    (tmp_path / "earlier" / ".mmerc-study").touch()
    (tmp_path / "talk.mp4").write_bytes(b"film")
    for folder in (tmp_path, results):
        (folder / "talk.vtt").write_text("WEBVTT\n\n")
    begun, read_start = [], RemoteFolder.read_start

    def note(self, name, count):
        begun.append(name)
        return read_start(self, name, count)

    monkeypatch.setattr(RemoteFolder, "read_start", note)
    (recording,) = plan_url(tmp_path.as_uri()).recordings
    assert recording.subtitles.name == "talk.vtt"
    assert begun == ["talk.vtt"]
