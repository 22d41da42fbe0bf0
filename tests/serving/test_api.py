"""Responses to a client, over real sockets."""

import json
import socket
from contextlib import suppress
from dataclasses import asdict

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from server_process import PATIENCE

from mmerc.conversation import Conversation, Utterance
from mmerc.models.registry import load_model
from mmerc.precision import fast_bfloat16
from mmerc.prediction.utterance_predictions import predict
from mmerc.serving.openapi_examples import _ANSWER, _EXAMPLES, _REQUEST
from mmerc.serving.predictor import PendingRequest, _predict_together
from mmerc.serving.transcripts import PredictRequest, read_request

schemathesis = pytest.importorskip("schemathesis")
SAID = [("Mara", "I am so happy!"), ("Tom", "Oh no, not again."), ("Mara", "Well.")]
UTTERANCES = [{"id": str(i), "speaker": who, "text": text} for i, (who, text) in enumerate(SAID)]


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_malformed_requests_get_clear_errors(server, mode):
    """Unique ids and ascending times are not in the schema, so more requests may be refused."""
    checks = schemathesis.checks.CHECKS
    described = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    for actual in described.get_all_operations():
        requests_of = actual.ok().as_strategy(generation_mode=schemathesis.GenerationMode(mode))

        @given(case=requests_of)
        @settings(max_examples=6, deadline=None, suppress_health_check=list(HealthCheck))
        def ask(case):
            more = [checks.get_one("positive_data_acceptance")]
            if case.operation.path == "/ready":  # a busy machine may be too slow to be ready
                more.append(checks.get_one("not_a_server_error"))
            case.call_and_validate(excluded_checks=more, timeout=PATIENCE)

        with suppress(Unsatisfiable):  # a route without input cannot get an invalid request
            ask()
    server.idle()  # any bytes may be a recording: some uploads were accepted


def test_service_still_answers_and_logs_no_content(server):
    assert server.ask("GET", "/health").json() == {"status": "ok"}
    for body in (conversation(text="secret words"), {"conversations": "secret words"}):
        assert "secret" in server.ask("POST", "/v1/predict", json=body).text
    log = server.log.read_text()
    assert "POST /v1/predict 422" in log
    assert "Traceback" not in log and "secret" not in log


def test_prediction_equals_the_model(server, model):
    body = {"conversations": [{"id": "talk", "utterances": UTTERANCES}]}
    answer = server.ask("POST", "/v1/predict", json=body).json()
    loaded = load_model(model)
    talk = Conversation(id="talk", utterances=tuple(Utterance(**item) for item in UTTERANCES))
    expected = [asdict(item) for item in predict(loaded, [talk], {})]
    close = 0.01 if fast_bfloat16("cpu") else 1e-5
    assert answer["labels"] == list(loaded.labels)
    for message, item in zip(answer["predictions"], expected, strict=True):
        assert message["probabilities"] == pytest.approx(item.pop("probabilities"), abs=close)
        assert message["context_effect"] == pytest.approx(item.pop("context_effect"), abs=close)
        assert message["label"] == max(message["probabilities"], key=message["probabilities"].get)
        del item["label"]  # this model has random weights, so two emotions may tie
        assert item == {name: message[name] for name in item}


def conversation(**changes):
    return {"conversations": [{"id": "a", "utterances": [{"id": "1", "text": "x", **changes}]}]}


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        ({"conversations": []}, 422, "at least 1 item"),
        (conversation(text=3), 422, "utterances[0].text"),
        (conversation(txt="x"), 422, "fix its spelling"),
        (conversation(text=" "), 422, "contains no text"),
        (conversation(text="x" * 10_001), 413, "send it in parts"),
        (conversation(start=2.0, end=1.0), 422, "before it starts"),
        (conversation(features={"audio": [1.0, None]}), 422, "features.audio"),
        ({"conversations": 2 * conversation()["conversations"]}, 422, "the same id"),
    ],
)
def test_unpredictable_requests_are_refused(server, body, status, sentence):
    answer = server.ask("POST", "/v1/predict", json=body)
    assert answer.status_code == status
    assert sentence in answer.json()["detail"]


@pytest.mark.parametrize(
    ("content", "status"),
    [
        (b"[" * 100_000, (400, 422)),
        (b'{"conversations": [{"id": "\\ud800", "utterances": [{"id": "1", "text": "x"}]}]}', 422),
        (b'{"conversations": ' + b"1" * 5000 + b"}", (400, 422)),
        (b"\xff\xfe", (400, 422)),
        (b" " * 8_000_001, 413),
        ((b" " * 100_000 for _ in range(90)), 413),
    ],
    ids=["deep", "surrogate", "number", "bytes", "large", "endless"],
)
def test_invalid_json_body_is_refused(server, content, status):
    headers = {"Content-Type": "application/json"}
    answer = server.ask("POST", "/v1/predict", data=content, headers=headers)
    assert answer.status_code in (status if isinstance(status, tuple) else (status,))
    assert set(answer.json()) == {"detail"}


def test_media_of_a_manifest_are_not_fetched(server):
    """Neither files of the server nor other hosts are accessed."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.settimeout(0.5)
        address = f"http://127.0.0.1:{listening.getsockname()[1]}/a.mp4"
        for media in (address, "/etc/passwd", "../../secret"):
            body = conversation(media=media)
            body["conversations"][0]["media"] = media
            answer = server.ask("POST", "/v1/predict", json=body)
            assert answer.status_code == 200 and media not in answer.text
        with pytest.raises(TimeoutError):
            listening.accept()


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs/../../etc/passwd", "/v1/jobs/%2e%2e%2fjobs.sqlite", f"/v1/jobs/{'0' * 32}"],
)
def test_paths_cannot_escape_the_jobs_folder(server, path):
    with socket.create_connection(("127.0.0.1", server.port)) as client:
        head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode())
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert answer.split()[1] in {b"404", b"422"}


def test_cross_site_requests_and_other_host_names_are_refused(server):
    foreign = {"Origin": "http://elsewhere.example"}
    assert server.ask("POST", "/v1/predict", json=_REQUEST, headers=foreign).status_code == 403
    rebound = {"Host": "elsewhere.example"}
    assert server.ask("GET", "/v1/about", headers=rebound).status_code == 400
    own = {"Origin": server.url}
    assert server.ask("POST", "/v1/predict", json=_REQUEST, headers=own).status_code == 200


def test_prometheus_metrics_contain_no_paths(server):
    server.ask("GET", "/v1/jobs/secret-name")
    text = server.ask("GET", "/metrics").text
    assert 'mmerc_jobs{state="queued"}' in text
    assert "mmerc_predicted_utterances_total" in text
    assert 'route="/v1/jobs/{job}"' in text and "secret-name" not in text


def test_openapi_has_examples_and_lists_every_refusal(server):
    described = server.ask("GET", "/openapi.json").json()
    schemas = described["components"]["schemas"]
    for name, example in _EXAMPLES.items():
        assert schemas[name]["examples"] == [example]
        assert set(schemas[name]["required"]) <= set(example)
    upload = described["paths"]["/v1/jobs"]["post"]
    assert {"202", "413", "429", "507"} <= set(upload["responses"])
    assert "https://" not in json.dumps(described)


def test_documented_answer_equals_the_real_one():
    default = load_model(_ANSWER["model"])
    request = PendingRequest(*read_request(PredictRequest.model_validate(_REQUEST)), None)
    ((*actual,),) = _predict_together(default, [request])
    close = 0.02 if fast_bfloat16("cpu") else 1e-4
    assert list(default.labels) == _ANSWER["labels"]
    for item, shown in zip(map(asdict, actual), _ANSWER["predictions"], strict=True):
        for name in ("probabilities", "weights", "context_weight", "context_effect", "similarity"):
            assert item.pop(name) == pytest.approx(shown[name], abs=close), name
        assert item == {name: shown[name] for name in item}


def test_request_can_ask_for_prediction_sets(server):
    answer = server.ask("POST", "/v1/predict", json=_REQUEST | {"sets": 0.9, "most_labels": 2})
    for item in answer.json()["predictions"]:
        assert item["emotions"][0] == item["label"]
        assert item["unsure"] == (len(item["emotions"]) > 2)
    wrong = server.ask("POST", "/v1/predict", json=_REQUEST | {"sets": 90})
    assert wrong.status_code == 422
    above = server.ask("POST", "/v1/predict", json=_REQUEST | {"sets": 0.9999})
    assert above.status_code == 422 and "too few" in above.json()["detail"]


def test_concurrent_requests_get_their_own_answers(server):
    from concurrent.futures import ThreadPoolExecutor

    def ask(number):
        one = {"id": "same", "utterances": [{"id": "u", "text": f"number {number}"}]}
        wrong = {"id": "same", "utterances": [{"id": "u", "text": " "}]}
        body = {"conversations": [wrong if number % 5 == 0 else one]}
        return requests.post(f"{server.url}/v1/predict", json=body, timeout=240)

    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(ask, range(40)))
    for number, answer in enumerate(answers):
        assert answer.status_code == (422 if number % 5 == 0 else 200)
        if answer.ok:
            assert answer.json()["predictions"][0]["text"] == f"number {number}"
