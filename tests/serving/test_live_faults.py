"""Attacks on live sessions: one clear error each, other sessions undisturbed, no leaks."""

import json
import random
from contextlib import suppress

import pytest
from live_host import HANDSHAKE, KEY, SILENCE, count_open, open_raw
from live_sockets import PCM, jpeg, live
from server_process import until
from websockets.exceptions import ConnectionClosed, ConnectionClosedOK, InvalidStatus
from websockets.sync.client import connect


@pytest.mark.parametrize(
    ("code", "says", "message"),
    [
        ("protocol", "send start", b"\0" * 100),
        ("protocol", "send start", '{"type": "end"}'),
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
def test_every_fault_has_a_message(host, code, says, message):
    with host.connect() as socket:
        socket.socket.send(message)
        error = socket.receive()
        assert (error["type"], error["code"]) == ("error", code)
        assert says in error["message"] and error["message"].endswith(".")
        assert "; " in error["message"]  # what is wrong; how to fix it
        if error["fatal"]:
            with pytest.raises(ConnectionClosed):
                socket.receive()


def test_recoverable_faults_keep_the_session_running(host):
    with host.connect() as socket:
        socket.start(**PCM)
        for says, message in [
            ("complete samples", b"\0" * 321),
            (
                "has already started",
                json.dumps({"type": "start", "version": 1, "format": "webm_opus"}),
            ),
            ("no video", '{"type": "picture", "time": 0}'),
            ("transcribes", '{"type": "words", "words": [{"text": "a", "start": 0, "end": 1}]}'),
        ]:
            socket.socket.send(message)
            assert says in socket.expect("error", fatal=False)["message"]
        socket.say("end")
        assert socket.expect("ended")["reason"] == "client"
    with host.connect() as socket:
        socket.start(**PCM, video=True, words="client")
        for says, message in [
            ("Base64", '{"type": "picture", "time": 0, "jpeg": "!"}'),
            ("not JPEG", '{"type": "picture", "time": 0, "jpeg": "AAAA"}'),
            ("count from the first",
             '{"type": "words", "words": [{"text": "a", "start": 0, "end": 99}]}'),
        ]:  # fmt: skip
            socket.socket.send(message)
            assert says in socket.expect("error", fatal=False)["message"]
        socket.say("picture", time=99)  # the camera's clock jumps
        socket.socket.send(jpeg())
        while socket.expect("stats")["dropped_frames"] != 1:
            pass
        with suppress(ConnectionClosed):  # the service may close before the last message
            for _ in range(100):
                socket.say("words", words=[{"text": "a", "start": 0, "end": 99}])
        assert socket.expect("error", fatal=True)["code"] == "limit"
        assert socket.receive()["reason"] == "failed"


def test_garbage_in_place_of_webm_ends_the_session(host):
    with host.connect() as socket:
        socket.start(format="webm_opus")
        socket.socket.send(random.Random(0).randbytes(5000))
        assert "cannot be decoded" in socket.expect("error", fatal=True, code="sound")["message"]
        assert socket.receive()["reason"] == "failed"


def test_refused_connections_get_a_status_code(host):
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


@pytest.mark.parametrize(
    "frame",
    [
        b"\x81\x05hello",  # not masked
        b"\xf3\x80" + bytes(4),  # reserved bits, and a nonexistent frame type
        b"\x81\x82" + bytes(4) + b"\xff\xfe",  # text that is not UTF-8
        b"\x82\xff" + (2**62).to_bytes(8) + bytes(4),  # larger than any memory
        b"\x89\xfe" + (5000).to_bytes(2) + bytes(5004),  # a ping with too much data
        random.Random(1).randbytes(4096),
    ],
)
def test_invalid_frames_close_the_connection(host, frame):
    before = count_open()
    with open_raw(host.port, HANDSHAKE) as raw:
        assert b" 101 " in raw.recv(65536)
        raw.sendall(frame)
        answer = b""
        with suppress(ConnectionResetError):
            while part := raw.recv(65536):
                answer += part
    assert answer[:1] in {b"\x88", b""}  # a close frame, if any
    until(lambda: host.live.connections == 0)
    until(lambda: count_open() <= before)
    with host.connect() as socket:
        assert socket.start(**PCM)["resumed"] is False


def test_reused_id_of_an_ended_session_repeats_its_end(host):
    with host.connect() as socket:
        session = socket.start(**PCM)["session"]
        socket.say("end")
        end = socket.expect("ended")
    with host.connect() as socket:
        socket.resume(session, 0)
        assert socket.expect("started")["resumed"]
        assert socket.expect("ended") == end
        socket.rest()
        assert socket.closed == 1000


def malformed(generator):
    """A message with one of many errors."""
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


def test_malformed_messages_do_not_affect_other_sessions(host, sound):
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


def test_client_with_only_invalid_messages_is_disconnected(host):
    with host.connect() as socket:
        socket.start(**PCM)
        for _ in range(100):  # the last one exceeds the limit
            socket.socket.send("{")
        socket.rest()
        assert socket.messages[-1]["code"] == "limit" and socket.closed == 1008


def test_session_taken_over_continues_in_one_place(host):
    with host.connect() as first, host.connect() as second:
        session = first.start(**PCM)["session"]
        second.resume(session, 0)
        assert second.expect("started")["resumed"]
        assert "another connection" in first.expect("error", fatal=True)["message"]
        with host.connect() as third:
            third.resume(session, 99)  # has not happened yet
            assert third.receive()["code"] == "session"
        second.say("end")
        assert second.expect("ended")["reason"] == "client"


def test_audio_after_the_end_of_a_session_is_ignored(host):
    with host.connect() as socket:
        session = host.live.sessions[socket.start(**PCM)["session"]]
        session.ending = "length"
        with suppress(ConnectionClosedOK):  # the service may close before all is sent
            socket.send_sound(150 * SILENCE)
        messages = socket.rest()
    assert messages[-1]["type"] == "ended" and not socket.of("error")
