"""Uploaded recordings and their results."""

import asyncio
import io
import json
import resource
import socket

import av
import pytest
from fastapi import HTTPException, Request
from server_process import PATIENCE, until

from mmerc.serving.upload import receive

FORM = "multipart/form-data; boundary=b"


def body(*parts, end="--b--\r\n"):
    predictions = b""
    for name, filename, content in parts:
        head = (
            f'--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'
        )
        predictions += head.encode() + content + b"\r\n"
    return predictions + end.encode()


def post(server, content):
    return server.ask("POST", "/v1/jobs", data=content, headers={"Content-Type": FORM})


def empty(server):
    """Whether an upload has left nothing."""
    until(lambda: 'mmerc_jobs{state="uploading"} 0.0' in server.ask("GET", "/metrics").text)
    return all(any(folder.iterdir()) for folder in (server.folder / "jobs").iterdir())


def test_uploaded_video_is_analysed(server, film, subtitles):
    answer = server.upload(film, subtitles, name="../Tür & Tor?.mp4")
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["Location"] == f"/v1/jobs/{job['id']}"
    assert (job["name"], job["files"]) == ("Tür & Tor?.mp4", {})
    early = server.ask("GET", f"/v1/jobs/{job['id']}/files/html")
    assert early.status_code in {200, 409}
    job = server.wait(job["id"], "done", "failed")
    assert (job["state"], job["reason"], job["stage"]) == ("done", None, "emotions")
    files = {kind: server.ask("GET", address) for kind, address in job["files"].items()}
    assert all(answer.ok for answer in files.values())
    rows = [json.loads(line) for line in files["jsonl"].text.splitlines()]
    assert {row["conversation"] for row in rows} == {"Tür & Tor?"}
    assert [row["text"] for row in rows] == [row["text"] for row in rows if row["text"]]
    assert "./T%C3%BCr%20%26%20Tor%3F.mp4" in files["html"].text
    assert files["Tür & Tor?.mp4"].content == film.read_bytes()
    assert "attachment" in files["csv"].headers["Content-Disposition"]
    part = server.ask("GET", job["files"]["Tür & Tor?.mp4"], headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, film.read_bytes()[10:20])
    folder = server.folder / "jobs" / job["id"]
    assert not (folder / "work").exists()
    (folder / "results" / "result.csv").unlink()  # as if it were deleted at this moment
    assert server.ask("GET", job["files"]["csv"]).status_code == 404
    assert server.ask("DELETE", f"/v1/jobs/{job['id']}").status_code == 204
    assert server.ask("GET", f"/v1/jobs/{job['id']}").status_code == 404
    assert not folder.exists()
    assert "Tür" not in server.log.read_text()


def test_longest_allowed_file_names(server, film, subtitles):
    names = [f"{character * 83}é.{ending}" for character, ending in (("語", "mp4"), ("字", "srt"))]
    assert {len(name.encode()) for name in names} == {255}
    parts = zip(("recording", "subtitles"), names, (film, subtitles), strict=True)
    answer = post(server, body(*((part, name, file.read_bytes()) for part, name, file in parts)))
    assert answer.status_code == 202, answer.text
    job = server.wait(answer.json()["id"], "done", "failed")
    assert job["state"] == "done"
    name = job["name"]  # shortened, so that it can be saved anywhere with any suffix
    assert name.startswith("語" * 30)
    assert name.endswith(".mp4")
    assert len(name.encode()) <= 130
    files = {kind: server.ask("GET", address) for kind, address in job["files"].items()}
    assert all(file.ok for file in files.values())
    assert files[name].content == film.read_bytes()
    headers = [
        file.headers for file in files.values()
    ]  # the page and the video are shown, not saved
    saved = [given["Content-Disposition"] for given in headers if "Content-Disposition" in given]
    assert all("語" not in name for name in saved)  # headers are ASCII
    assert server.ask("DELETE", f"/v1/jobs/{job['id']}").status_code == 204


@pytest.mark.parametrize(
    ("content", "status", "sentence"),
    [
        (body(("recording", "a.mp4", b"x"), end=""), 400, "upload is incomplete"),
        (body(("recording", "a.mp4", b"x"))[:40], 400, "upload is incomplete"),
        (b"no form at all, but long enough", 400, "cannot be read"),
        (body(("subtitles", "a.srt", b"x")), 422, "no part 'recording'"),
        (body(("subtitles", "a.exe", b"x")), 415, "unknown ending"),
        (body(("other", "a.mp4", b"x")), 422, "other than recording, subtitles, sets"),
        (body(("recording", "a.mp4", b"x"), ("sets", "", b"1.5")), 422, "sets"),
        (body(("recording", "a.mp4", b"x"), ("sets", "", b"many")), 422, "sets"),
        (body(("recording", "a.mp4", b"x"), ("sets", "", 40 * b"9")), 422, "'sets' is too long"),
        (body(("recording", "a.mp4", b"x"), ("sets", "", b"0.99")), 422, "ask for less"),
        (body(*2 * [("recording", "a.mp4", b"x")]), 422, "one of them twice"),
        (body(("recording", "a.mp4", bytes(2**20 + 1))), 413, "larger than the 1 MB"),
        (body(("recording", "a.mp4", bytes(40 * 2**20))), 413, "larger than the 1 MB"),
        (iter([body(("recording", "a.mp4", bytes(3 * 2**20)))]), 413, "larger than the 1 MB"),
    ],
    ids=[
        "cut",
        "cut early",
        "no form",
        "none",
        "ending",
        "part",
        "level",
        "no number",
        "long",
        "no such sets",
        "twice",
        "size",
        "said",
        "chunks",
    ],
)
def test_invalid_uploads_are_refused(server, content, status, sentence):
    answer = post(server, content)
    assert (answer.status_code, sentence in answer.json()["detail"]) == (status, True)
    assert empty(server)


def test_impossible_set_options_are_refused_before_the_upload(server):
    start = body(("sets", "", b"0.99"), ("recording", "a.mp4", b"x"))
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: {2**20}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as client:
        client.sendall(head.encode())
        assert client.recv(65536).startswith(b"HTTP/1.1 100")
        client.sendall(start[: start.index(b"recording")])  # nothing of the recording
        answer = b""
        while b"}" not in answer:
            answer += client.recv(65536)
    assert answer.startswith(b"HTTP/1.1 422") and b"ask for less" in answer
    assert empty(server)


def test_ten_gigabytes_are_refused_immediately(server):
    head = (
        f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\n"
        f"Content-Length: {10 * 2**30}\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=120) as client:
        client.sendall(head.encode())
        answer = client.recv(65536)
        while b" 413 " not in answer:
            more = client.recv(65536)
            assert more, answer
            answer += more
    assert empty(server)


def test_aborted_upload_leaves_nothing(server):
    head = f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {FORM}\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        client.sendall(f"{head}Content-Length: 500000\r\n\r\n".encode())
        client.sendall(body(("recording", "a.mp4", bytes(1000)), end=""))
        until(lambda: 'state="uploading"} 1.0' in server.ask("GET", "/metrics").text)
    assert empty(server)
    assert server.ask("GET", "/health").ok


def test_stalled_upload_releases_its_slot(tmp_path, monkeypatch):
    monkeypatch.setattr("mmerc.serving.upload._MAX_PAUSE", 0.05)
    pieces = [body(("recording", "a.mp4", bytes(100)), end="")]

    async def stalling():
        if not pieces:
            await asyncio.sleep(PATIENCE)
        return {"type": "http.request", "body": pieces.pop(), "more_body": True}

    headers = [(b"content-type", FORM.encode())]
    request = Request({"type": "http", "headers": headers}, stalling)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(receive(request, tmp_path, largest=1000, longest=PATIENCE, check=dict))
    assert refused.value.status_code == 408


def test_file_size_limit_is_reported_and_nothing_is_lost(server, film):
    """Like a disk with a quota; test_full_disk.py fills a real disk."""
    number, whole = server.process.pid, resource.RLIM_INFINITY
    resource.prlimit(number, resource.RLIMIT_FSIZE, (50_000, whole))
    try:
        answer = server.upload(film)
        assert answer.status_code in {503, 507}  # the jobs file itself may reach the limit
        assert "disk" in answer.json()["detail"]
    finally:
        resource.prlimit(number, resource.RLIMIT_FSIZE, (whole, whole))
    assert empty(server)
    used = server.upload(film)
    assert used.status_code == 202
    server.ask("DELETE", f"/v1/jobs/{used.json()['id']}")


def still(path):
    """A video of one frame without audio, so without speech."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=1)
        stream.width = stream.height = 64
        for packet in (*stream.encode(av.VideoFrame(64, 64, "yuv420p")), *stream.encode(None)):
            container.mux(packet)
    return path


@pytest.mark.parametrize("kind", ["rubbish", "silent", "playlist"])
def test_job_fails_with_a_reason_and_without_paths(server, tmp_path, kind):
    film = tmp_path / "a.mp4"
    if kind == "silent":
        still(film)
    else:
        film.write_bytes(b"#EXTM3U\nfile:///etc/passwd\n" if kind == "playlist" else b"rubbish" * 9)
    job = server.wait(server.upload(film).json()["id"], "failed", "done")
    assert job["state"] == "failed"
    assert job["reason"].startswith("recording: ") and str(server.folder) not in job["reason"]
    assert server.ask("GET", f"/v1/jobs/{job['id']}/files/html").status_code == 409
    server.ask("DELETE", f"/v1/jobs/{job['id']}")


def test_full_queue_refuses_before_reading_the_upload(server, film):
    jobs = [server.upload(film) for _ in range(4)]
    try:
        assert [job.status_code for job in jobs] == [202, 202, 202, 429]
        assert int(jobs[3].headers["Retry-After"]) > 0
        assert server.ask("POST", "/v1/jobs/example").status_code == 429
        unread = server.ask("POST", "/v1/jobs", data=io.BytesIO(bytes(9_000_000)),
                            headers={"Content-Type": FORM})  # fmt: skip
        assert unread.status_code == 429
    finally:
        for job in jobs[:3]:
            server.ask("DELETE", f"/v1/jobs/{job.json()['id']}")
    assert server.upload(film).status_code == 202
