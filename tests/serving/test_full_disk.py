"""A full disk: a small one used only by the server."""

import subprocess
import threading
from pathlib import Path

import pytest
from live_sockets import PCM, live
from server_process import serving, until

from mmerc.serving import runner as running
from mmerc.serving.jobs import Jobs
from mmerc.serving.monitoring import Metrics
from mmerc.serving.openapi_examples import _REQUEST
from mmerc.serving.settings import Settings

APART = ("unshare", "--user", "--map-root-user", "--mount", "sh", "-c")
MOUNT = 'mount -t tmpfs -o size=8m none "$0" && exec "$@"'


@pytest.fixture(scope="module")
def server(tmp_path_factory, model):
    """A server whose folder is an 8 MB disk, mounted in a namespace that ends with it."""
    folder = tmp_path_factory.mktemp("full") / "disk"
    folder.mkdir()
    try:
        subprocess.run([*APART, MOUNT, folder, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no small disk can be mounted here ({error})")
    with serving(None, folder, model, within=(*APART, MOUNT, folder)) as started:
        yield started


def fill(path):
    """Write until there is no space for another page."""
    with pytest.raises(OSError, match="No space left"), open(path, "wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    return path


def test_full_disk_is_reported_and_accepted_jobs_are_kept(server, film, subtitles):
    disk = Path(f"/proc/{server.process.pid}/root{server.folder}")
    accepted = [server.upload(film, subtitles).json()["id"] for _ in range(2)]
    filler = fill(disk / "filler")
    for answer in (server.upload(film), server.ask("POST", "/v1/jobs/example")):
        assert (answer.status_code, "disk is full" in answer.json()["detail"]) == (507, True)
    assert {folder.name for folder in (disk / "jobs").iterdir()} == set(accepted)
    assert server.ask("GET", "/health").ok
    assert server.ask("POST", "/v1/predict", json=_REQUEST).ok
    assert {server.job(job)["state"] for job in accepted} <= {"queued", "running", "failed", "done"}
    filler.unlink()
    for job in accepted:
        ended = server.wait(job, "done", "failed")
        assert ended["state"] == "done" or "disk is full" in ended["reason"]
    again = server.upload(film, subtitles)
    assert again.status_code == 202
    assert server.wait(again.json()["id"], "done", "failed")["state"] == "done"
    assert "Traceback" not in server.log.read_text()
    for job in (*accepted, again.json()["id"]):
        assert server.ask("DELETE", f"/v1/jobs/{job}").status_code == 204


def test_upload_that_fills_the_disk_frees_its_space(server, film):
    disk = Path(f"/proc/{server.process.pid}/root{server.folder}")
    large = film.with_name("large.mp4")
    large.write_bytes(film.read_bytes() + bytes(9 * 2**20))
    answer = server.upload(large)
    assert (answer.status_code, "disk is full" in answer.json()["detail"]) == (507, True)
    assert not any((disk / "jobs").iterdir())
    used = server.upload(film)
    assert used.status_code == 202
    assert server.ask("DELETE", f"/v1/jobs/{used.json()['id']}").status_code == 204


def keep_and_fill(socket, sound, disk):
    """Send audio to store, and fill the disk once all of it has arrived."""
    socket.start(**PCM, keep=True)
    socket.send_sound(sound)
    while socket.expect("stats")["received"] < len(sound):
        pass
    return fill(disk / "filler")


def test_live_session_continues_on_a_full_disk_and_marks_its_stored_end(server, sound):
    """Then it fails, and its audio is analysed as a job."""
    disk = Path(f"/proc/{server.process.pid}/root{server.folder}")
    with live(server.port) as socket:
        filler = keep_and_fill(socket, sound, disk)
        socket.send_sound(sound)
        error = socket.expect("error", code="disk", fatal=False)
        assert "disk is full; try again later. Only the first 5.0 s" in error["message"]
        socket.send_sound(sound)
        while socket.expect("stats")["seconds"] < 15:
            pass
        filler.unlink()
        for _ in range(101):
            socket.socket.send(b"\0")  # half a sample
        assert socket.expect("error", fatal=True)["code"] == "limit"
        end = socket.receive()
        assert end["reason"] == "failed"
    ended = server.wait(end["job"], "partial", "done", "failed")
    assert (ended["state"], error["message"] in ended["reasons"]) == ("partial", True)
    page = server.ask("GET", ended["files"]["html"]).text
    assert "Only the first 5.0 s of the sound are kept." in page
    assert server.ask("DELETE", f"/v1/jobs/{end['job']}").status_code == 204


def test_results_without_disk_space_are_announced_for_later(server, sound):
    """The disk is full when a stored live session ends."""
    disk = Path(f"/proc/{server.process.pid}/root{server.folder}")
    with live(server.port) as socket:
        filler = keep_and_fill(socket, sound, disk)
        socket.say("end")
        *_, error, end = socket.rest()
    filler.unlink()
    assert (error["code"], error["fatal"], end["type"]) == ("disk", False, "ended")
    assert (
        "disk is full; try again later. The sound is kept, and will be analysed" in error["message"]
    )
    stored = disk / "jobs" / end["job"] / "recording"
    assert stored.read_bytes()[44:] == sound
    assert end["utterances"] == len(socket.spoken) > 0


def test_job_finishes_once_its_state_can_be_written(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(running, "_RETRY", 0.05)
    caplog.set_level("INFO", logger="mmerc.serving")
    jobs = Jobs(tmp_path, max_jobs=1)
    job = jobs.reserve()
    (jobs.folder(job) / "recording").write_bytes(b"no film")
    jobs.accept(job, "talk.mp4")
    runner = running.Runner(jobs, Settings(folder=tmp_path), Metrics(jobs))
    claimed = jobs.claim()
    jobs.execute("PRAGMA query_only = ON")
    thread = threading.Thread(target=runner.run_job, args=(claimed, running.Lane()))
    thread.start()
    until(lambda: "end of a job: OperationalError" in caplog.text)
    assert jobs.get(job).state == "running"
    jobs.execute("PRAGMA query_only = OFF")
    thread.join()
    assert (jobs.get(job).state, "not media" in jobs.get(job).reason) == ("failed", True)
    jobs.close()
