"""Corrections over HTTP: of an analysis in a folder, and of a job."""

import signal
import uuid

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

import requests
from correction_pages import correcting
from server_process import PATIENCE, until

from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.inference.correction.stored_analysis import load_analysis


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with correcting(tmp_path_factory.mktemp("talk")) as (desk, address):
        page = requests.get(address, timeout=PATIENCE).url
        yield desk, page.removesuffix("/correct")


def request(revision=0, *, rater="Ann", key=None, **edit):
    return {"rater": rater, "revision": revision, "key": key or str(uuid.uuid4()), "edit": edit}


def post(url, body):
    return requests.post(f"{url}/corrections", json=body, timeout=PATIENCE)


def test_a_correction_is_answered_with_what_changed(opened):
    desk, url = opened
    body = request(kind="label", id="3", label="joy")
    answers = [post(url, body).json() for _ in range(2)]  # the second changes nothing
    assert answers[0] == answers[1] and answers[0]["revision"] == 1 and answers[0]["order"] is None
    assert [line["id"] for line in answers[0]["lines"]] == ["3"]
    conflict = post(url, request(kind="text", id="3", text="Hm.", rater="Ben"))
    assert conflict.status_code == 409
    assert conflict.json()["corrections"] == answers[0]["corrections"]
    everything = requests.get(f"{url}/corrections", timeout=PATIENCE).json()
    assert len(everything["lines"]) == len(everything["order"]) == 25
    assert {"3": "joy", "4": None}.items() <= {
        line["id"]: line["label"] for line in everything["lines"]
    }.items()
    name = requests.get(f"{url}/corrected/labels.csv", timeout=PATIENCE)
    assert name.text.splitlines()[1].endswith("joy,Ann")
    assert desk.log.revision == 1


@pytest.mark.parametrize(
    ("change", "status", "problem"),
    [
        ({"edit": {"kind": "label", "id": "3", "label": "envy"}}, 422, "is not one of the labels"),
        ({"edit": {"kind": "label", "id": "3", "label": "joy", "colour": 1}}, 422, "colour"),
        ({"edit": {"kind": "predict", "predictions": {}}}, 422, "edit"),
        ({"edit": {"kind": "text", "id": "3", "text": "\ud800"}}, 422, "as a unicode string"),
        ({"rater": " "}, 422, "rater"),
        ({"more": 1}, 422, "'more': extra inputs are not permitted; remove it"),
        ({"key": "short"}, 422, "key"),
    ],
)
def test_bad_requests_are_refused_in_one_sentence(opened, change, status, problem):
    desk, url = opened
    before = desk.log.revision
    answer = post(url, request(before, kind="label", id="3", label="joy") | change)
    assert answer.status_code == status and problem in answer.json()["detail"]
    assert desk.log.revision == before


def test_only_pages_of_its_own_may_correct(opened):
    _, url = opened
    body, headers = request(kind="label", id="3", label="joy"), {"Origin": "https://example.org"}
    answer = requests.post(f"{url}/corrections", json=body, headers=headers, timeout=PATIENCE)
    assert answer.status_code == 403
    answer = requests.get(f"{url}/corrections", headers={"Host": "evil.test"}, timeout=PATIENCE)
    assert answer.status_code == 400
    missing = f"{url[:-32]}{'0' * 32}/corrections"
    assert requests.get(missing, timeout=PATIENCE).status_code == 404
    assert requests.get(f"{url}/recording", timeout=PATIENCE).status_code == 404
    assert requests.get(f"{url}/corrected/exe", timeout=PATIENCE).status_code == 404


def test_a_job_is_corrected_and_deleted_with_its_corrections(server, film, subtitles):
    job = server.upload(film, subtitles).json()["id"]
    path = f"/v1/jobs/{job}"
    assert server.wait(job, "done", "failed")["state"] == "done"
    first = server.ask("GET", f"{path}/corrections").json()["order"][0]
    body = request(kind="label", id=first, label="glad")
    labels = [item["name"] for item in server.ask("GET", f"{path}/corrections").json()["labels"]]
    body["edit"]["label"] = labels[1]
    assert server.ask("POST", f"{path}/corrections", json=body).json()["revision"] == 1
    table = server.ask("GET", f"{path}/corrected/csv")
    assert table.headers["Content-Disposition"].endswith("scene.csv") and ",Ann" in table.text
    assert server.ask("GET", f"{path}/recording").content == film.read_bytes()
    assert server.ask("GET", f"{path}/correct").ok
    assert server.ask("DELETE", path).status_code == 204
    assert server.ask("GET", f"{path}/corrections").status_code == 404
    assert not (server.folder / "jobs" / job).exists()


def test_no_accepted_correction_is_lost_when_the_server_is_killed(tmp_path, program):
    """The server is killed at several moments during a stream of corrections."""
    with correcting(tmp_path / "talk"):
        pass
    analysis, accepted = load_analysis(tmp_path / "talk").analysis, 0
    for kill_after in (3, 11, 7):
        log = tmp_path / "log"
        log.unlink(missing_ok=True)
        process = program.start(
            "correct", str(tmp_path / "talk"), "--page", "--port", "0", stdout=log, stderr=log
        )
        until(lambda: log.exists() and "Ctrl+C" in log.read_text())  # noqa: B023
        line = log.read_text()
        url = requests.get(line.split()[1], timeout=PATIENCE).url.removesuffix("/correct")
        for number in range(20):
            if number == kill_after:
                process.send_signal(signal.SIGKILL)
            try:
                label = ("joy", "fear")[number % 2]
                answer = post(url, request(accepted, kind="label", id=str(number), label=label))
            except requests.ConnectionError:
                break
            assert answer.status_code == 200
            accepted = answer.json()["revision"]
        process.wait()
        stored = CorrectionLog(tmp_path / "talk" / "talk.corrections.sqlite", analysis)
        assert stored.revision >= accepted >= kill_after
        accepted = stored.revision
