"""Health checks report what hangs, has stopped or is missing, and recover."""

import asyncio
import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest
import requests
from live_sockets import PCM
from server_process import PATIENCE, serving, until

from mmerc.conversation import Conversation, Utterance
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable
from mmerc.models.registry import load_model
from mmerc.serving import busy
from mmerc.serving.canaries import predict_canary
from mmerc.serving.live import live_sessions
from mmerc.serving.predictor import Predictor
from mmerc.serving.single_check import SingleCheck, in_thread
from mmerc.serving.worker_process import Heartbeat, Pulse
from short_films import save_model


@pytest.fixture(scope="module")
def faceless(tmp_path_factory):
    """A model that needs face vectors for which there is no extractor."""
    folder = tmp_path_factory.mktemp("faceless") / "model"
    return save_model(folder, widths={"video": 5}, extractors={"video": "of-another-program"})


@pytest.fixture(scope="module")
def server(tmp_path_factory, faceless, program):
    folder = tmp_path_factory.mktemp("probed") / "jobs"
    with serving(program, folder, faceless, "--max-silent-seconds", "8") as started:
        yield started


def ready(server):
    """Whether the service is ready; all fields of the answer must agree."""
    time.sleep(0.3)
    answer = server.ask("GET", "/ready")
    content = answer.json()
    reasons = [part["reason"] for part in content["parts"].values() if not part["ok"]]
    assert (content["detail"] or "") == " ".join(reasons)
    assert (answer.status_code, content["status"]) == (
        (503, "not ready") if reasons else (200, "ready")
    )
    return not reasons


def wait_for_problem(server, words):
    """Wait until /ready fails with a reason that contains these words."""
    until(lambda: not ready(server) and words in server.ask("GET", "/ready").json()["detail"])


def live_part(host):
    time.sleep(0.3)
    answer = requests.get(f"http://127.0.0.1:{host.port}/ready", timeout=PATIENCE)
    return answer.json()["parts"]["live"]


def metric(server, line):
    return line in server.ask("GET", "/metrics").text.splitlines()


def test_partly_failed_job_is_partial_with_a_reason(server, film, subtitles):
    parts = server.ask("GET", "/ready").json()["parts"]
    assert set(parts) == {"model", "live", "disk", "workers", "transcriber"}
    until(
        lambda: (
            ready(server) and all(metric(server, f'mmerc_ready{{part="{p}"}} 1.0') for p in parts)
        )
    )
    until(lambda: not list((server.folder / "jobs").iterdir()))  # the canary's file is gone
    job = server.wait(server.upload(film, subtitles).json()["id"], "partial", "done", "failed")
    assert job["state"] == "partial"
    (reason,) = job["reasons"]
    assert reason == job["reason"]
    assert reason.startswith("Faces could not be used for all utterances: model needs features")
    assert all(server.ask("GET", address).ok for address in job["files"].values())
    assert metric(server, 'mmerc_jobs_ended_total{outcome="partial"} 1.0')
    assert metric(server, "mmerc_job_real_time_factor_count 1.0")
    assert metric(server, 'mmerc_jobs{state="partial"} 1.0')


def test_stopped_worker_is_reported_and_replaced(server, film, subtitles):
    until(lambda: ready(server))
    job = server.upload(film, subtitles).json()["id"]
    first = until(server.workers)[0]
    os.kill(first, signal.SIGSTOP)
    wait_for_problem(server, "The worker of a job has not answered for")
    assert server.ask("GET", "/health").ok
    until(lambda: metric(server, "mmerc_workers_hung_total 1.0"))
    until(lambda: ready(server))
    assert server.wait(job, "partial", "failed")["state"] == "partial"  # by another one
    assert metric(server, "mmerc_workers_restarted_total 1.0")
    assert first not in server.workers()


def test_workers_that_cannot_start_are_reported_until_they_can(server):
    until(lambda: ready(server))
    forking = server.fork_server()
    os.kill(forking, signal.SIGSTOP)
    try:
        wait_for_problem(server, "A new worker process has not answered for")
    finally:
        os.kill(forking, signal.SIGCONT)
    until(lambda: ready(server))


def test_missing_jobs_folder_is_reported_until_it_returns(server):
    until(lambda: ready(server))
    jobs, away = server.folder / "jobs", server.folder / "away"
    jobs.rename(away)
    wait_for_problem(server, "The jobs folder cannot be used (it was deleted")
    jobs.write_text("in its place")
    wait_for_problem(server, "The jobs folder cannot be used")
    jobs.unlink()
    away.rename(jobs)
    until(lambda: ready(server))


def test_hanging_model_is_reported_and_probes_do_not_pile_up(faceless):
    async def probe():
        predictor = Predictor(load_model(faceless), "model")  # nothing reads from its queue yet
        model = SingleCheck(
            subject="The model",
            check=partial(predict_canary, predictor),
            deadline=0.2,
            patience=0.2,
        )
        answers = await asyncio.gather(*(model() for _ in range(50)))
        assert {answer.ok for answer in answers} == {False}
        assert "The model has not answered for" in answers[0].reason
        assert predictor.queue.qsize() == 1
        running = asyncio.create_task(predictor.run())
        while not (await model()).ok:
            await asyncio.sleep(0.05)
        running.cancel()

    asyncio.run(probe())


def test_busy_model_does_not_count_as_hanging(faceless, monkeypatch):
    monkeypatch.setattr(busy, "_QUEUED", 0.05)
    model = load_model(faceless)
    lines = tuple(
        Utterance(id=str(n), speaker="Ada", text="We are here.", start=n, end=n + 1)
        for n in range(150)
    )
    talk = Conversation(id="talk", utterances=lines)
    spec = FeatureSpec(modality="video", extractor="published", dim=5)
    rows = [
        FeatureRow(conversation="talk", utterance=line.id, vector=np.ones(5, dtype=np.float32))
        for line in lines
    ]
    table = FeatureTable.of(spec, rows)

    async def probe():
        predictor = Predictor(model, "model", threads=1)
        running = asyncio.create_task(predictor.run())
        waiting = [asyncio.create_task(predictor([talk], {"video": table})) for _ in range(12)]
        await asyncio.sleep(0)
        assert await predict_canary(predictor) is None
        assert not waiting[-1].done()  # the canary did not run
        await asyncio.gather(*waiting)
        monkeypatch.setattr(busy, "_QUEUED", 1.0)
        going_on = threading.Event()
        model.register_forward_pre_hook(lambda *arguments: going_on.wait(PATIENCE) and None)
        hanging = asyncio.create_task(predict_canary(predictor))
        check = SingleCheck(
            subject="The model",
            check=partial(predict_canary, predictor),
            deadline=2.0,
            patience=2.0,
        )
        part = await check()
        going_on.set()
        assert "The model has not answered for" in part.reason
        await hanging
        running.cancel()

    asyncio.run(probe())


@pytest.mark.parametrize("computing", [True, False])
def test_computing_sessions_are_busy_and_waiting_ones_hang(host, monkeypatch, computing):
    readiness = host.app.app.state.service.readiness
    check = readiness.checks["live"]
    monkeypatch.setattr(check, "deadline", PATIENCE)
    monkeypatch.setattr(check, "patience", PATIENCE)
    monkeypatch.setattr(check, "retry", 0.0)
    until(lambda: live_part(host)["ok"])
    ending, numbers = threading.Event(), np.ones((400, 400))

    def work():
        while computing and not ending.is_set():
            numbers @ numbers
        ending.wait()

    threads = [host.live.pool.submit(work) for _ in range(host.live.limits.sessions)]
    try:
        monkeypatch.setattr(busy, "_QUEUED", 1.0)
        monkeypatch.setattr(check, "patience", 2.0)
        monkeypatch.setattr(check, "deadline", 2.0)
        monkeypatch.setattr(check, "task", None)
        monkeypatch.setattr(readiness, "answer", None)
        part = live_part(host)
        assert (part["ok"], part["reason"] is None) == (computing, computing)
        assert computing or "Live analysis has not answered for" in part["reason"]
    finally:
        ending.set()
    for thread in threads:
        thread.result(PATIENCE)
    monkeypatch.setattr(check, "deadline", PATIENCE)
    until(lambda: live_part(host)["ok"])


def test_hanging_live_networks_and_endless_sessions_are_reported(host, sound, monkeypatch):
    check = host.app.app.state.service.readiness.checks["live"]
    for name, seconds in (("keep", 0.0), ("retry", 0.0), ("patience", 0.3), ("deadline", 0.3)):
        monkeypatch.setattr(check, name, seconds)

    monkeypatch.setattr(check, "deadline", PATIENCE)
    until(lambda: live_part(host)["ok"])
    monkeypatch.setattr(check, "deadline", 0.3)
    with host.connect() as socket:
        socket.start(**PCM)
        with host.live.components.lock:
            until(lambda: "has not answered for" in (live_part(host)["reason"] or ""))
            socket.send_sound(sound + bytes(len(sound)))
            until(lambda: any(item.computing for item in host.live.sessions.values()))
            monkeypatch.setattr(live_sessions, "_STUCK", 0.1)
            monkeypatch.setattr(check, "task", None)
            until(lambda: "without an end" in (live_part(host)["reason"] or ""))
        monkeypatch.setattr(check, "deadline", PATIENCE)
        until(lambda: live_part(host)["ok"])
        socket.say("end")
        assert socket.expect("ended")["utterances"] > 0


def test_hanging_check_uses_one_thread_and_its_last_answer():
    hanging, threads = threading.Event(), []

    def check():
        threads.append(threading.current_thread())
        hanging.wait()

    async def probe():
        hanging.set()
        slow = SingleCheck(subject="It", check=in_thread(check), deadline=600, patience=0.05)
        while not (await slow()).ok:
            await asyncio.sleep(0.01)
        hanging.clear()
        threads.clear()
        assert (await slow()).ok  # it has time until the deadline
        slow.deadline = 0.0
        assert [(await slow()).ok for _ in range(20)] == [False] * 20
        assert len(threads) == 1
        slow.deadline = 600
        hanging.set()
        while not (await slow()).ok:
            await asyncio.sleep(0.01)

    asyncio.run(probe())


def test_computing_worker_and_suspended_machine_count_as_alive():
    pulse = Pulse()
    for seconds in range(100):
        pulse.wait(1.0)
        pulse.receive(Heartbeat(seconds * 0.001))  # it sends heartbeats and computes almost nothing
    assert (pulse.silent, pulse.idle) == (0.0, 100.0)
    pulse.receive(Heartbeat(2.0))
    assert pulse.idle == 0.0
    pulse.wait(3600.0)
    assert pulse.silent == 1.0
