"""Live sessions that are too long, too many, too slow or abandoned: the limits."""

import threading
from contextlib import suppress

import pytest
from live_host import HANDSHAKE, SILENCE, count_open, open_raw
from live_sockets import PCM, PIECE
from server_process import until
from websockets.exceptions import ConnectionClosed

from mmerc.serving import patient_protocol
from mmerc.serving.live import connection
from mmerc.serving.live.server_messages import ErrorMessage


def read_until(raw, words):
    """Read until some words arrive, and close the connection."""
    received = b""
    with raw:
        while words not in received:
            part = raw.recv(65536)
            assert part, received
            received += part


@pytest.mark.parametrize(
    ("reason", "settings"),
    [
        ("silence", {"longest_silence": 3.0}),
        ("length", {"longest": 3.0}),
        ("idle", {"longest_pause": 0.2}),
    ],
)
def test_too_long_sessions_are_ended(host, limits, reason, settings):
    limits(**settings, grace=0.1)
    with host.connect() as socket:
        socket.start(**PCM)
        send_quietly(socket, b"" if reason == "idle" else 20 * SILENCE)
        socket.rest()
    assert socket.of("ended")[0]["reason"] == reason and socket.spoken == []
    until(lambda: not host.live.sessions)  # and their results are deleted


def test_number_of_sessions_is_limited(host):
    with host.connect() as first, host.connect() as second, host.connect() as third:
        first.start(**PCM)
        second.start(**PCM)
        third.say("start", version=1, **PCM)
        assert third.receive()["code"] == "busy"
        for socket in (first, second):
            socket.say("end")
            socket.expect("ended")


def test_overloaded_service_pauses_reading_and_reports_it(host, limits, monkeypatch):
    with host.connect() as socket:
        session = host.live.sessions[socket.start(**PCM)["session"]]
        limits(patience=0.3)  # set only now, since the start above may take longer
        gate, process = threading.Event(), session.worker.process
        monkeypatch.setattr(session.worker, "process", lambda items: gate.wait() and process(items))
        sending = threading.Thread(target=lambda: socket.send_sound(300 * SILENCE))
        sending.start()
        assert socket.expect("error")["code"] == "overloaded"
        assert session.waiting < 1_100_000
        gate.set()
        sending.join()
        socket.say("end")
        assert socket.expect("ended")["seconds"] == 60.0


def test_stuck_client_is_notified_and_can_resume(host, limits, monkeypatch):
    monkeypatch.setattr(connection, "_STUCK", 0.2)
    with host.connect() as socket:
        session = host.live.sessions[socket.start(**PCM)["session"]]
        limits(patience=0.2)
        gate, process = threading.Event(), session.worker.process
        monkeypatch.setattr(session.worker, "process", lambda items: gate.wait() and process(items))
        threading.Thread(target=lambda: send_quietly(socket, 300 * SILENCE), daemon=True).start()
        error = socket.expect("error", fatal=True)
        gate.set()
    assert error["code"] == "overloaded"
    limits()
    with host.connect() as socket:
        socket.resume(session.id, 0)
        received = socket.expect("started")["received"]
        assert received < 300 * PIECE
        socket.say("end")
        assert socket.expect("ended")["seconds"] == received / 32000


def send_quietly(socket, data):
    """Send audio to a service that may close the connection meanwhile."""
    with suppress(ConnectionClosed):
        socket.send_sound(data)


def test_thousand_abandoned_sockets_are_closed(host, limits):
    """Half of them disappear without closing; the others stay connected and silent."""
    limits(patience=0.2)
    before, staying, refused = count_open(), [], 0
    for number in range(1000):
        raw = open_raw(host.port, HANDSHAKE)
        if number % 2:
            raw.close()
            continue
        answer = raw.recv(65536)
        refused += b" 503 " in answer
        if b" 101 " in answer:
            staying.append(raw)
        if len(staying) == 100:
            for waiting in staying:
                read_until(waiting, b"No start or resume")
            staying = []
    for waiting in staying:
        read_until(waiting, b"No start or resume")
    until(lambda: host.live.connections == 0)
    until(lambda: count_open() <= before)
    assert refused < 500
    limits()
    with host.connect() as socket:
        assert socket.start(**PCM)["resumed"] is False


def test_non_reading_client_is_disconnected_and_can_resume(host, monkeypatch):
    monkeypatch.setattr(patient_protocol, "_CLOSING", 0.3)
    with (
        host.connect(max_queue=1, close_timeout=0.1) as socket,
        monkeypatch.context() as impatient,
    ):
        session = host.live.sessions[socket.start(**PCM)["session"]]
        impatient.setattr(connection, "_SLOW", 0.3)  # not for messages after the resume
        before = count_open()
        task = next(iter(host.live.tasks))
        long = ErrorMessage(code="message", message=f"{'x' * 1_000_000}.", fatal=False)
        for _ in range(20):
            task.get_loop().call_soon_threadsafe(session._add, long)
        until(lambda: host.live.connections == 0)
        until(lambda: count_open() < before)  # although the client has not closed its side
    with host.connect() as socket:
        socket.resume(session.id, 0)
        assert [socket.expect("error")["sequence"] for _ in range(20)] == list(range(1, 21))
        socket.say("end")
        assert socket.expect("ended")["reason"] == "client"


def test_slow_trickling_clients_are_disconnected(host, limits, monkeypatch):
    monkeypatch.setattr(patient_protocol, "_HEADERS", 0.5)
    limits(patience=0.5)
    half = HANDSHAKE[:100]  # of the headers
    assert dribble(open_raw(host.port, half)) == b""
    upgraded = open_raw(host.port, HANDSHAKE)
    upgraded.recv(65536)
    upgraded.sendall(b"\x82\xff" + (900_000).to_bytes(8) + bytes(4))  # starts a large message
    assert b"No start or resume" in dribble(upgraded)


def dribble(raw):
    """Send single bytes slowly; return what arrives until the server closes the connection."""
    raw.settimeout(0.05)
    received = b""
    with raw:
        while True:
            try:
                part = raw.recv(65536)
                if not part:
                    return received
                received += part
                if b"\x88" in received:  # the server closes the WebSocket
                    return received
            except TimeoutError:
                with suppress(ConnectionError):  # the server may close just now
                    raw.sendall(b"x")
            except ConnectionResetError:
                return received
