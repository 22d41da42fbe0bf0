"""``mmerc analyze URL --out URL``: a study with remote recordings and results."""

import logging
import shutil
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmerc.studies.remote_files import RemoteFolder

TALK = "Ann: You came!\nBob: I said I would.\nAnn: Nobody told me.\n"
STUDY = """recordings:
- {file: "one [1].txt", condition: a}
- {file: day/two.txt, condition: b}
- {file: scene.mp4, condition: b}
"""


@pytest.fixture
def folder(tmp_path, talk):
    """Two transcripts, one named like a glob pattern, a video with subtitles, and other files."""
    path = tmp_path / "in"
    (path / "day").mkdir(parents=True)
    (path / "one [1].txt").write_text(TALK)
    (path / "day/two.txt").write_text(TALK * 2)
    for name in ("scene.mp4", "scene.srt"):
        shutil.copy(talk / name, path)
    (path / "study.yaml").write_text(STUDY)
    return path


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A separate cache, as on another machine."""
    monkeypatch.setenv("MMERC_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def tables(out):
    return {path.name: path.read_bytes() for path in out.glob("*.[cp]*")}


def test_study_on_a_server_has_equal_tables(analyze, folder, cache, ftp, tmp_path):
    here = tmp_path / "here"
    assert analyze(folder, "--out", here).code == 0
    source, target = f"{ftp}/in", f"{ftp}/out"
    outcome = analyze(source, "--out", target)
    assert outcome.code == 0, outcome.err
    lines = outcome.out.splitlines()
    assert lines[0] == "3 recordings: 3 analysed, 0 unchanged, 0 failed"
    assert lines[-1] == f"{RemoteFolder(ftp)!s}/out/report.html"  # without the password
    assert "secret" not in outcome.out + outcome.err
    out = tmp_path / "out"
    assert tables(out) == tables(here)
    assert "<title>out" in (out / "report.html").read_text()
    assert "scene.html" in {path.name for path in (out / "recordings/scene").iterdir()}
    assert not list(cache.glob("fetched/*/*"))

    shutil.rmtree(cache)  # as seen by another machine
    (folder / "day/two.txt").write_text(TALK * 3)
    (out / "recordings/scene/recording.json").unlink()  # left by a worker killed while copying
    assert analyze(source, "--out", target).out.startswith("3 recordings: 2 analysed, 1 unchanged")
    assert analyze(folder, "--out", here).code == 0
    assert tables(out) == tables(here)
    outcome = analyze(source, "--out", source)
    assert outcome.sentence.endswith("/in: contains other files; choose another --out.")


def test_local_files_with_results_at_a_url(analyze, folder, tmp_path):
    (folder / "study.yaml").unlink()
    (folder / "scene.mp4").unlink()
    out = tmp_path / "out"
    outcome = analyze(folder, "--out", out.as_uri(), "--json", "--quiet")
    assert outcome.json["analysed"] == 2, outcome.err
    assert outcome.json["files"][-1] == f"{out.as_uri()}/codebook.md"
    assert (out / "report.html").exists()
    outcome = analyze((folder / "day/two.txt").as_uri(), "--out", tmp_path / "one", "--quiet")
    assert outcome.out.startswith("1 recordings: 1 analysed"), outcome.err


def test_disappearing_server(analyze, folder, tmp_path):
    (folder / "study.yaml").unlink()
    gone = threading.Event()

    class Handler(SimpleHTTPRequestHandler):
        def do_GET(self):
            if "." in self.path and gone.is_set():
                self.close_connection = True  # the server closes the connection
                return
            super().do_GET()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever).start()
    url = f"http://127.0.0.1:{server.server_port}/day"
    try:
        outcome = analyze(url, "--out", tmp_path / "out", "--quiet", "--json")
        assert outcome.json["analysed"] == 1, outcome.err
        assert analyze(url, "--out", url).sentence.endswith("choose another --out.")
        gone.set()
        outcome = analyze(url, "--out", tmp_path / "out", "--quiet", "--overwrite", "--json")
    finally:
        server.shutdown()
        server.server_close()
    assert outcome.code == 1
    reason = outcome.json["failed"][0]["reason"]
    assert reason.startswith(f"{url}/two.txt: cannot be reached (")
    assert reason.endswith("check the address, the network, and that you may use it.")
    sentence = analyze(url, "--out", tmp_path / "out").sentence
    assert f"{url}: cannot be reached (" in sentence


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ftp://user:secret@127.0.0.1:1/x", "ftp://127.0.0.1:1/x: cannot be reached"),
        ("nowhere://x/y", "nowhere://x/y: cannot be reached (Protocol not known: nowhere)"),
        ("zip://a.mp4::s3://x/y.zip", "several URLs in one; name a single place"),
        ("file:///nowhere/at/all", "contains no recording; check the address"),
    ],
)
def test_unreachable_urls(mmerc, tmp_path, url, problem):
    sentence = mmerc("analyze", url, "--out", tmp_path / "out").sentence
    assert problem in sentence
    assert "secret" not in sentence
    assert not (tmp_path / "out").exists()


def test_two_urls_are_refused(mmerc, tmp_path):
    outcome = mmerc("analyze", "s3://a/x.mp4", "s3://a/y.mp4", "--out", tmp_path)
    assert (outcome.code, outcome.sentence) == (
        2, "mmerc: Name a single URL: a folder, a study.yaml or a recording.",
    )  # fmt: skip


@pytest.fixture
def ftp(tmp_path):
    """The URL of an FTP server, with user and password, over ``tmp_path``."""
    authorizers = pytest.importorskip("pyftpdlib.authorizers")
    from pyftpdlib.handlers import FTPHandler
    from pyftpdlib.servers import ThreadedFTPServer

    logging.getLogger("pyftpdlib").setLevel(logging.CRITICAL)
    authorizer = authorizers.DummyAuthorizer()
    authorizer.add_user("ann", "secret", str(tmp_path), perm="elradfmwMT")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    server = ThreadedFTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"handle_exit": False})
    thread.start()
    yield f"ftp://ann:secret@127.0.0.1:{server.address[1]}"
    server.close_all()
    thread.join()
