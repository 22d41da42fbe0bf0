"""Real signals: workers and servers are killed, and no accepted job is lost."""

import os
import signal
from pathlib import Path

from live_sockets import PCM, live
from server_process import until

STOPPED = (0, -signal.SIGTERM)


def working(server):
    return until(server.workers)[0]


def test_killed_worker_is_replaced_a_limited_number_of_times(served, film):
    server = served()
    job = server.upload(film).json()["id"]
    first = working(server)
    os.kill(first, signal.SIGKILL)
    second = until(lambda: [n for n in server.workers() if n != first])[0]
    assert server.job(job)["state"] == "running"
    os.kill(second, signal.SIGKILL)
    failed = server.wait(job, "failed", "done")
    assert (failed["state"], "killed twice" in failed["reason"]) == ("failed", True)
    assert server.workers() == []
    assert "mmerc_workers_restarted_total 1.0" in server.ask("GET", "/metrics").text


def test_accepted_jobs_survive_the_end_of_the_server(served, film, subtitles, model, sound):
    """Neither jobs nor the stored audio of a live session."""
    server = served("--keep-minutes", "5", "--live-model", model)
    with live(server.port) as socket:
        session = socket.start(**PCM, keep=True, words="client")["session"]
        socket.send_sound(sound)
        while socket.expect("stats")["received"] < len(sound) // 2:
            pass
    (kept,) = (server.folder / "jobs").iterdir()
    first = server.upload(film, subtitles).json()["id"]
    waiting = server.upload(film, subtitles).json()["id"]
    worker = working(server)
    server.kill()
    until(lambda: not Path(f"/proc/{worker}").exists())  # it exits with its server
    stored = (kept / "recording").read_bytes()[44:]
    assert sound.startswith(stored) and len(stored) >= socket.of("stats")[-1]["received"]
    server.start()
    with live(server.port) as socket:
        socket.resume(session, 0)
        assert socket.receive()["code"] == "session"
    assert server.job(kept.name)["name"] == "live.wav"
    assert server.ask("DELETE", f"/v1/jobs/{kept.name}").status_code == 204
    job = server.wait(first, "running", "done")
    os.kill(working(server), signal.SIGKILL)  # one crash is allowed even after the server's
    assert server.stop() in STOPPED
    server.start()
    for job in (first, waiting):
        assert server.wait(job, "done", "failed")["state"] == "done"


def test_expired_jobs_are_deleted_and_a_second_server_is_refused(served, program, film):
    server = served("--keep-minutes", "0.1", "--max-job-minutes", "0.1", "--max-running-jobs", "2")
    film.with_suffix(".txt").write_text("no film")
    done = server.upload(film.with_suffix(".txt"))
    late = server.upload(film)
    folders = server.folder / "jobs"
    assert {done.status_code, late.status_code} == {202}
    reason = server.wait(late.json()["id"], "failed", "done")["reason"]
    assert reason is None or "longer than 0.1 minutes" in reason
    until(lambda: not any(folders.iterdir()))
    assert server.ask("GET", f"/v1/jobs/{late.json()['id']}").status_code == 404
    second = program.run("serve", "--jobs-folder", server.folder)
    assert (second.returncode, "another server uses it" in second.stderr) == (1, True)


def test_key_is_required(served):
    server = served(MMERC_API_KEY="open sesame")
    bearer = {"Authorization": "Bearer open sesame"}
    for path in ("/metrics", f"/v1/jobs/{'0' * 32}"):
        assert server.ask("GET", path).status_code == 401
        assert server.ask("GET", path, headers={"Authorization": "Bearer no"}).status_code == 401
        assert server.ask("GET", path, headers=bearer).status_code in {200, 404}
    assert server.ask("GET", "/v1/about").json()["key"] is True
    assert server.ask("POST", "/session", json={"key": "no"}).status_code == 401
    answer = server.ask("POST", "/session", json={"key": "open sesame"})
    assert "HttpOnly" in answer.headers["Set-Cookie"]
    assert server.ask("GET", "/metrics", cookies=answer.cookies).status_code == 200
    assert "sesame" not in server.log.read_text() + answer.headers["Set-Cookie"]


def test_invalid_job_list_is_reported(tmp_path, program, model):
    (tmp_path / "jobs.sqlite").write_bytes(b"no database" * 1000)
    message = program.run("serve", "--jobs-folder", tmp_path, "--model", model)
    assert message.returncode == 1
    assert "jobs.sqlite: cannot be used (file is not a database)" in message.stderr
