"""Live sessions over real sockets: audio in, emotions out, nothing lost and nothing stored."""

import io
import json
import subprocess
import sys
import wave
from pathlib import Path

import av
import jsonschema
import numpy as np
import pytest
from live_sockets import PCM, PIECE, jpeg, listen, live
from server_process import until

from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.live.asyncapi_examples import CLIENT_EXAMPLES, SERVER_EXAMPLES
from mmerc.serving.live.client_messages import CLIENT_MESSAGES

EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = "Stand a little to the left"


@pytest.fixture(scope="module")
def heard(server, sound):
    """An uninterrupted session."""
    return listen(server.port, sound)


def as_webm(sound):
    """The audio as recorded by a browser."""
    target = io.BytesIO()
    samples = np.frombuffer(sound, np.int16)[None]
    frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
    frame.sample_rate = 16000
    resampler = av.AudioResampler(format="flt", layout="mono", rate=48000)
    with av.open(target, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=48000, layout="mono")
        for part in [*resampler.resample(frame), None]:
            for packet in stream.encode(part):
                container.mux(packet)
    return target.getvalue()


def test_audio_gives_utterances_in_order(sound, heard):
    started = heard.messages[0]
    assert (started["resumed"], started["received"]) == (False, 0)
    assert started["labels"][0]["name"] == "neutral"
    assert heard.events == list(range(1, len(heard.events) + 1))
    assert heard.spoken[0][0].startswith(SAID)
    first = heard.of("utterance")[0]
    assert sum(first["probabilities"].values()) == pytest.approx(1, abs=1e-4)
    assert 0 <= first["start"] < first["end"] < 5
    kinds = [message["type"] for message in heard.messages if message["type"] != "stats"]
    assert kinds[:2] == ["started", "speech_started"] and kinds[-1] == "ended"
    assert heard.closed == 1000
    assert heard.of("ended")[0]["seconds"] == pytest.approx(len(sound) / 32000, abs=0.01)


def test_results_are_available_in_every_format_but_not_on_disk(server, heard):
    ended = heard.of("ended")[0]
    assert ended["reason"] == "client" and ended["job"] is None
    assert list(ended["files"]) == list(ANALYSIS_FORMATS)
    for name, address in ended["files"].items():
        answer = server.ask("GET", address)
        assert answer.status_code == 200, name
        assert answer.headers["content-type"] == ANALYSIS_FORMATS[name].media_type
        assert SAID in answer.text
    rows = [
        json.loads(line)
        for line in server.ask("GET", ended["files"]["jsonl"]).text.split("\n")[:-1]
    ]
    assert [(row["text"], row["label"]) for row in rows] == heard.spoken
    folder = ended["files"]["jsonl"].rpartition("/")[0]
    session = folder.split("/")[-2]
    assert not [path for path in server.folder.rglob("*") if session in path.name]
    assert server.ask("GET", f"{folder}/docx").status_code == 404
    assert server.ask("GET", f"/v1/live/{'0' * 32}/files/csv").status_code == 404


def test_browser_audio_is_decoded_and_kept_as_a_job(server, sound, heard):
    data = as_webm(sound)
    kept = listen(server.port, data, piece=777, format="webm_opus", keep=True, name="talk/../x")
    assert kept.spoken[0][0].startswith(SAID)
    ended = kept.of("ended")[0]
    assert ended["seconds"] == pytest.approx(len(sound) / 32000, abs=0.1)
    job = server.job(ended["job"])
    assert (job["state"], job["name"]) == ("done", "x.webm")
    rows = server.ask("GET", job["files"]["jsonl"]).text.split("\n")[:-1]
    assert [json.loads(line)["text"] for line in rows] == [text for text, _ in kept.spoken]
    assert server.ask("GET", job["files"]["x.webm"]).content == data
    assert server.ask("DELETE", f"/v1/jobs/{job['id']}").status_code == 204


def test_lost_connection_resumes_without_a_gap(server, sound, heard):
    with live(server.port) as first:
        session = first.start()["session"]
        first.send_sound(sound[: 10 * PIECE])
        first.expect("speech_started")
        first.socket.socket.close()  # no close frame: the network is gone
    seen = first.messages[-1]["sequence"]
    with live(server.port) as second:
        second.resume(session, seen)
        received = second.expect("started", resumed=True)["received"]
        assert received % 2 == 0 and received <= 10 * PIECE
        second.send_sound(sound[received:])
        second.say("end")
        second.rest()
    events = first.events + second.events
    assert events == list(range(1, len(events) + 1))
    assert second.spoken == heard.spoken
    with live(server.port) as late:  # results of an ended session can be sent again
        late.resume(session, 0)
        late.rest()
    assert late.spoken == heard.spoken


def test_client_words_and_images_without_a_face(server, sound):
    with live(server.port) as socket:
        socket.start(**PCM, words="client", video=True)
        socket.send_sound(sound[: 10 * PIECE])
        socket.say("words", words=[{"text": "Well.", "start": 0.1, "end": 0.4}])
        socket.say("picture", time=1.0)
        socket.socket.send(jpeg())
        socket.say("end")
        socket.rest()
    assert socket.of("error") == []
    assert socket.of("ended")[0]["reason"] == "client"


def test_documented_examples_are_valid_and_accepted(server):
    described = server.ask("GET", "/v1/live/asyncapi.json").json()
    messages, schemas = (described["components"][part] for part in ("messages", "schemas"))
    for name, message in messages.items():
        schema = {**message["payload"], "components": {"schemas": schemas}}
        for example in message["examples"]:
            jsonschema.validate(example["payload"], schema)
        examples = [example["payload"] for example in message["examples"]]
        assert examples == [*(CLIENT_EXAMPLES | SERVER_EXAMPLES)[name]]
    for operation in described["operations"].values():
        for link in operation["messages"]:
            assert link["$ref"].rpartition("/")[2] in messages
    assert len(messages) == len(CLIENT_EXAMPLES) + len(SERVER_EXAMPLES)
    assert len(CLIENT_EXAMPLES) == len(CLIENT_MESSAGES)
    for start in CLIENT_EXAMPLES["start"]:
        with live(server.port) as socket:
            socket.start(**{k: v for k, v in start.items() if k not in {"type", "version"}})
            if start.get("words") == "client":
                socket.send_sound(bytes(10 * PIECE))
                socket.say(**as_call(CLIENT_EXAMPLES["client_words"][0]))
            if start.get("video"):
                socket.say(**as_call(CLIENT_EXAMPLES["picture"][0]))
                socket.socket.send(jpeg())
            socket.say(**as_call(CLIENT_EXAMPLES["end"][0]))
            socket.rest()
        assert socket.of("error") == []
        job = socket.of("ended")[0]["job"]
        assert (job is not None) == start.get("keep", False)
        if job is not None:
            server.ask("DELETE", f"/v1/jobs/{job}")
    with live(server.port) as socket:
        socket.say(**as_call(CLIENT_EXAMPLES["resume"][0]))
        assert socket.receive()["code"] == "session"


def as_call(message):
    return {"kind": message["type"], **{k: v for k, v in message.items() if k != "type"}}


@pytest.mark.parametrize("client", ["live_client.py", "live-client.mjs"])
def test_documented_20_line_client_works(server, sound, heard, tmp_path, client):
    with wave.open(str(tmp_path / "talk.wav"), "wb") as target:
        target.setparams((1, 2, 16000, 0, "NONE", ""))
        target.writeframes(sound)
    script = EXAMPLES / client
    assert len(script.read_text().splitlines()) <= 32
    node = Path(sys.executable).with_name("node")
    if client.endswith(".mjs") and not node.exists():
        pytest.skip("Node is not installed")
    program = sys.executable if client.endswith(".py") else node
    address = f"ws://127.0.0.1:{server.port}/v1/live"
    done = subprocess.run(
        [program, script, tmp_path / "talk.wav", address],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert [line.split(": ", 2)[1:] for line in done.stdout.splitlines()] == [
        [emotion, text] for text, emotion in heard.spoken
    ]


def test_service_counts_sessions(server):
    until(lambda: "mmerc_live_sessions 0.0" in server.ask("GET", "/metrics").text)
