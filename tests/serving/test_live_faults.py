"""Attacks on live sessions: one clear error each, others undisturbed, nothing leaks."""

import json
import os
import random
import threading
import time
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest
import uvicorn
from live_sockets import PCM, PIECE, jpeg, live
from server_process import until
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from mmerc.inference.analysis import Analysis
from mmerc.labels import MELD_7
from mmerc.serving.application import create_app
from mmerc.serving.jobs import Jobs
from mmerc.serving.live import connection
from mmerc.serving.live.jpeg_frames import decode_jpeg
from mmerc.serving.live.kept_recording import KeptRecording, recover_recordings
from mmerc.serving.live.live_limits import LiveLimits
from mmerc.serving.live.refusal import RefusedError
from mmerc.serving.live.session_worker import SessionWorker
from mmerc.serving.live.sound_decoding import create_decoder
from mmerc.serving.predictor import Predictor
from mmerc.serving.settings import Settings

KEY = "secret"
SILENCE = bytes(PIECE)


class Host:
    """The service in a thread of this process, so that tests see inside it."""

    def __init__(self, folder, model):
        settings = Settings(
            folder=folder, key=KEY, live_model=str(model), live=LiveLimits(sessions=2)
        )
        self.app = create_app(settings, Predictor(None, "none"))
        self.live = self.app.app.state.service.live
        config = uvicorn.Config(self.app, port=0, log_level="error", ws_per_message_deflate=False)
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, daemon=True)
        self.thread.start()
        until(lambda: self.server.started)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def connect(self, **settings):
        return live(self.port, key=KEY, **settings)


@pytest.fixture(scope="module")
def host(tmp_path_factory, model):
    started = Host(tmp_path_factory.mktemp("live"), model)
    yield started
    started.server.should_exit = True
    started.thread.join()


@pytest.fixture
def limits(host):
    """A function that changes limits for the sessions of a test."""
    before = host.live.limits

    def change(**values):
        host.live.limits = replace(before, **values)

    yield change
    host.live.limits = before


@pytest.fixture(autouse=True)
def leave_no_session(request):
    """Sessions whose clients have left end at once, rather than after a minute."""
    yield
    if "host" in request.fixturenames:
        live = request.getfixturevalue("host").live
        for task in list(live.tasks):
            for session in list(live.sessions.values()):
                task.get_loop().call_soon_threadsafe(session.end, "client")
        until(lambda: live.running == 0)


@pytest.mark.parametrize(
    ("code", "says", "message"),
    [
        ("protocol", "begin with start", b"\0" * 100),
        ("protocol", "begin with start", '{"type": "end"}'),
        ("message", "not JSON", "{"),
        ("message", "not JSON", '{"type": "picture", "time": NaN}'),
        ("message", "not an object", "[1]"),
        ("message", "known type", '{"type": "stop"}'),
        ("message", "nested too deeply", "[" * 100_000),
        ("protocol", "version 2", '{"type": "start", "version": 2, "format": "pcm_s16le"}'),
        ("message", "colour", '{"type": "end", "colour": 1}'),
        ("sound", "44100 Hz",
         '{"type": "start", "version": 1, "format": "pcm_s16le", "sample_rate": 44100}'),
        ("sound", "missing", '{"type": "start", "version": 1, "format": "pcm_f32le"}'),
        ("session", "start a new one",
         json.dumps({"type": "resume", "version": 1, "session": "0" * 32, "after": 0})),
        ("too_large", "send it in parts", b"x" * 10_000_000),
    ],
)  # fmt: skip
def test_every_fault_has_a_sentence(host, code, says, message):
    with host.connect() as socket:
        socket.socket.send(message)
        error = socket.receive()
        assert (error["type"], error["code"]) == ("error", code)
        assert says in error["message"] and error["message"].endswith(".")
        assert "; " in error["message"]  # what is wrong; how to fix it
        if error["fatal"]:
            with pytest.raises(ConnectionClosed):
                socket.receive()


def test_faults_within_a_session_leave_it_running(host):
    with host.connect() as socket:
        socket.start(**PCM)
        for says, message in [
            ("whole samples", b"\0" * 321),
            ("has begun", json.dumps({"type": "start", "version": 1, "format": "webm_opus"})),
            ("no video", '{"type": "picture", "time": 0}'),
            ("transcribes", '{"type": "words", "words": [{"text": "a", "start": 0, "end": 1}]}'),
        ]:
            socket.socket.send(message)
            assert says in socket.hear("error", fatal=False)["message"]
        socket.say("end")
        assert socket.hear("ended")["reason"] == "client"
    with host.connect() as socket:
        socket.start(**PCM, video=True, words="client")
        for says, message in [
            ("Base64", '{"type": "picture", "time": 0, "jpeg": "!"}'),
            ("not JPEG", '{"type": "picture", "time": 0, "jpeg": "AAAA"}'),
            ("count from the first",
             '{"type": "words", "words": [{"text": "a", "start": 0, "end": 99}]}'),
        ]:  # fmt: skip
            socket.socket.send(message)
            assert says in socket.hear("error", fatal=False)["message"]
        socket.say("picture", time=99)  # the camera's clock jumps
        socket.socket.send(jpeg())
        while socket.hear("stats")["dropped_frames"] != 1:
            pass
        for _ in range(100):
            socket.say("words", words=[{"text": "a", "start": 0, "end": 99}])
        assert socket.hear("error", fatal=True)["code"] == "limit"
        assert socket.receive()["reason"] == "failed"


def test_garbage_in_place_of_webm_ends_the_session(host):
    with host.connect() as socket:
        socket.start(format="webm_opus")
        socket.socket.send(random.Random(0).randbytes(5000))
        assert "cannot be decoded" in socket.hear("error", fatal=True, code="sound")["message"]
        assert socket.receive()["reason"] == "failed"


def test_who_may_not_connect_is_told_by_a_status(host):
    address = f"ws://127.0.0.1:{host.port}/v1/live"
    bearer = {"Authorization": f"Bearer {KEY}"}
    for status, headers in [
        (401, {}),
        (401, {"Authorization": "Bearer wrong"}),
        (403, bearer | {"Origin": "https://elsewhere.example"}),
        (403, bearer | {"Sec-Fetch-Site": "cross-site"}),
    ]:
        with pytest.raises(InvalidStatus) as refused:
            connect(address, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == status
        assert json.loads(refused.value.response.body)["detail"]
    with live(host.port, headers=bearer | {"Origin": f"http://127.0.0.1:{host.port}"}) as socket:
        socket.say("end")
        assert socket.receive()["code"] == "protocol"


def count_open():
    return len(list(Path("/proc/self/fd").iterdir()))


def malformed(generator):
    """A message that is wrong in one of many ways."""
    valid = {"type": "start", "version": 1, "format": "pcm_s16le", "sample_rate": 8000}
    choice = generator.randrange(5)
    if choice == 0:
        return generator.randbytes(generator.randrange(500))
    if choice == 1:
        return "".join(chr(generator.randrange(1, 0xD800)) for _ in range(generator.randrange(99)))
    if choice == 2:
        text = json.dumps(valid)
        return text[: generator.randrange(len(text))]
    wrong = generator.choice([None, [], {}, -1, 1e308, "\ud800", "x" * 999, True])
    if choice == 3:
        return json.dumps(valid | {generator.choice(list(valid)): wrong})
    kind = generator.choice(["words", "picture", "end", "resume", "start"])
    return json.dumps({"type": kind, generator.choice(["words", "time", "after"]): wrong})


def test_a_thousand_malformed_messages_disturb_nobody(host, sound):
    generator = random.Random(25)
    with host.connect() as other:
        other.start(**PCM)
        other.send_sound(sound)
        before = count_open()
        sent = 0
        while sent < 1000:
            with host.connect() as socket:
                try:
                    while sent < 1000:
                        sent += 1
                        socket.socket.send(malformed(generator))
                        assert socket.receive()["type"] == "error"
                except ConnectionClosed:
                    assert socket.of("error")[-1]["fatal"]
        until(lambda: host.live.connections == 1)
        until(lambda: count_open() <= before)
        other.say("end")
        other.rest()
        assert other.of("error") == [] and other.spoken


def test_sockets_that_are_abandoned_are_closed(host, limits):
    limits(patience=1.0)
    before = count_open()
    sockets, refused = [], 0
    for _ in range(150):
        try:
            address = f"ws://127.0.0.1:{host.port}/v1/live"
            headers = {"Authorization": f"Bearer {KEY}"}
            sockets.append(connect(address, additional_headers=headers, proxy=None))
        except InvalidStatus as error:
            refused += error.response.status_code == 503
    assert len(sockets) + refused == 150
    message = json.loads(sockets[-1].recv(timeout=60))
    assert (message["code"], message["fatal"]) == ("idle", True)
    until(lambda: host.live.connections == 0)
    for socket in sockets:
        socket.close()
    until(lambda: count_open() <= before)


def test_a_client_that_does_not_read_is_cut_off(host):
    with host.connect() as socket:
        socket.start(**PCM)
        for _ in range(100):
            socket.socket.send("{")
        socket.rest()
        assert socket.messages[-1]["code"] == "limit" and socket.closed == 1008


def test_a_session_that_is_taken_over_goes_on_at_one_place(host):
    with host.connect() as first, host.connect() as second:
        session = first.start(**PCM)["session"]
        second.resume(session, 0)
        assert second.hear("started")["resumed"]
        assert "another connection" in first.hear("error", fatal=True)["message"]
        with host.connect() as third:
            third.resume(session, 99)  # has not happened yet
            assert third.receive()["code"] == "session"
        second.say("end")
        assert second.hear("ended")["reason"] == "client"


@pytest.mark.parametrize(
    ("reason", "settings"),
    [
        ("silence", {"longest_silence": 3.0}),
        ("length", {"longest": 3.0}),
        ("idle", {"longest_pause": 0.2}),
    ],
)
def test_sessions_that_last_too_long_end(host, limits, reason, settings):
    limits(**settings, grace=0.1)
    with host.connect() as socket:
        socket.start(**PCM)
        socket.send_sound(b"" if reason == "idle" else 20 * SILENCE)
        socket.rest()
    assert socket.of("ended")[0]["reason"] == reason and socket.spoken == []
    until(lambda: not host.live.sessions)  # and their results are forgotten


def test_sessions_are_counted(host):
    with host.connect() as first, host.connect() as second, host.connect() as third:
        first.start(**PCM)
        second.start(**PCM)
        third.say("start", version=1, **PCM)
        assert third.receive()["code"] == "busy"
        for socket in (first, second):
            socket.say("end")
            socket.hear("ended")


def test_a_service_that_is_behind_reads_no_more_and_says_so(host, limits, monkeypatch):
    limits(patience=0.3)
    with host.connect() as socket:
        session = host.live.sessions[socket.start(**PCM)["session"]]
        gate, process = threading.Event(), session.worker.process
        monkeypatch.setattr(session.worker, "process", lambda items: gate.wait() and process(items))
        sending = threading.Thread(target=lambda: socket.send_sound(300 * SILENCE))
        sending.start()
        assert socket.hear("error")["code"] == "overloaded"
        assert session.waiting < 1_100_000
        gate.set()
        sending.join()
        socket.say("end")
        assert socket.hear("ended")["seconds"] == 60.0


def test_a_client_that_is_stuck_is_told_and_may_resume(host, limits, monkeypatch):
    limits(patience=0.2)
    monkeypatch.setattr(connection, "_STUCK", 0.2)
    with host.connect() as socket:
        session = host.live.sessions[socket.start(**PCM)["session"]]
        gate, process = threading.Event(), session.worker.process
        monkeypatch.setattr(session.worker, "process", lambda items: gate.wait() and process(items))
        threading.Thread(target=lambda: send_quietly(socket, 300 * SILENCE), daemon=True).start()
        error = socket.hear("error", fatal=True)
        gate.set()
    assert error["code"] == "overloaded"
    with host.connect() as socket:
        socket.resume(session.id, 0)
        received = socket.hear("started")["received"]
        assert received < 300 * PIECE
        socket.say("end")
        assert socket.hear("ended")["seconds"] == received / 32000


def send_quietly(socket, data):
    try:
        socket.send_sound(data)
    except ConnectionClosed:
        return


def test_a_kept_recording_survives_the_server(tmp_path):
    jobs = Jobs(tmp_path, max_jobs=2)
    samples = np.arange(-800, 800, dtype="<i2").tobytes()
    kept = KeptRecording(jobs, "talk", "pcm_s16le")
    kept.append(samples)
    with av.open(str(kept.folder / "recording")) as container:  # as a killed server leaves it
        decoded = [frame.to_ndarray() for frame in container.decode(audio=0)]
    assert np.concatenate(decoded, axis=1).astype("<i2").tobytes() == samples
    recover_recordings(jobs)
    jobs.recover()
    assert (jobs.get(kept.job).state, jobs.get(kept.job).name) == ("queued", "talk.wav")
    (kept.folder / "live-name").write_text("talk.wav")  # as a server killed just then leaves it
    assert jobs.claim().id == kept.job
    recover_recordings(jobs)
    assert jobs.get(kept.job).state == "running"
    other = KeptRecording(jobs, "talk", "pcm_s16le")
    with pytest.raises(RefusedError, match="queue of jobs is full"):
        KeptRecording(jobs, "third", "pcm_s16le")
    other.append(samples)
    analysis = Analysis(
        recording="talk.wav", duration=0.1, model="m", labels=MELD_7, predictions=(), absent={}
    )
    other.save(analysis)
    with wave.open(str(other.folder / "recording")) as stored:
        assert stored.readframes(stored.getnframes()) == samples
    assert jobs.get(other.job).state == "done"
    assert (other.folder / "results" / "result.html").is_file()
    jobs.close()


def test_recordings_among_shared_jobs_are_kept_while_they_grow_and_found_when_abandoned(tmp_path):
    jobs = Jobs(tmp_path, max_jobs=2, shared=True)
    kept = KeptRecording(jobs, "talk", "pcm_s16le")
    long_ago = time.time() - 9000
    jobs.change(kept.job, "created = ?", (long_ago,))
    kept.append(bytes(320))
    recover_recordings(jobs, idle=600)
    jobs.expire(keep=60)
    assert jobs.get(kept.job).state == "uploading"
    for path in kept.folder.iterdir():
        os.utime(path, (long_ago, long_ago))
    recover_recordings(jobs, idle=600)
    jobs.expire(keep=60)
    assert (jobs.get(kept.job).state, jobs.get(kept.job).name) == ("queued", "talk.wav")
    jobs.close()


def test_what_was_refused_is_not_kept():
    worker = SessionWorker.__new__(SessionWorker)
    stored = []
    worker.decoder = create_decoder("pcm_s16le", 16000)
    worker.engine = SimpleNamespace(feed_sound=lambda samples: [])
    worker.kept = SimpleNamespace(append=stored.append)
    worker.seconds = 0.0
    (refusal,) = worker.process([b"\0" * 320, b"\0" * 321, b"\1" * 320])
    assert refusal.code == "sound" and stored == [b"\0" * 320, b"\1" * 320]


def test_sound_after_the_service_ended_a_session_is_passed_over(host):
    with host.connect() as socket:
        session = host.live.sessions[socket.start(**PCM)["session"]]
        session.ending = "length"
        socket.send_sound(150 * SILENCE)
        messages = socket.rest()
    assert messages[-1]["type"] == "ended" and not socket.of("error")


def test_samples_of_both_kinds_are_equal_and_impossible_ones_refused():
    short = np.array([-32768, 0, 12345], "<i2")
    long = (short / 32768).astype("<f4")
    first = create_decoder("pcm_s16le", 16000).decode(short.tobytes())
    second = create_decoder("pcm_f32le", 16000).decode(long.tobytes())
    assert first.dtype == second.dtype == np.float32 and (first == second).all()
    with pytest.raises(RefusedError, match="not finite"):
        create_decoder("pcm_f32le", 16000).decode(np.array([np.nan], "<f4").tobytes())
    loud = create_decoder("pcm_f32le", 16000).decode(np.array([99], "<f4").tobytes())
    assert loud == [1]


def test_pictures_are_measured_before_they_are_decoded():
    assert decode_jpeg(jpeg(64, 48)).shape == (48, 64, 3)
    large = bytearray(jpeg(64, 48))
    place = large.index(b"\xff\xc0")
    large[place + 5 : place + 9] = b"\xff\xff\xff\xff"  # claims 65,535 x 65,535 pixels
    with pytest.raises(RefusedError, match="65535 x 65535"):
        decode_jpeg(bytes(large))
    for data in (b"", b"\xff\xd8\xff", b"GIF89a", bytes(300_001)):
        with pytest.raises(RefusedError):
            decode_jpeg(data)
    generator = random.Random(0)
    for _ in range(200):
        damaged = bytearray(jpeg(64, 48))
        for _ in range(5):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        try:
            assert decode_jpeg(bytes(damaged)).ndim == 3
        except RefusedError:
            continue
