"""Corrections over HTTP, of an analysis in a folder and of a job."""

import signal
import uuid
from dataclasses import replace
from types import SimpleNamespace

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

import requests
from correction_pages import correcting
from fastapi import HTTPException
from server_process import PATIENCE, until
from talk import ANALYSIS

from mmerc.errors import MmercError
from mmerc.inference.correction.correction_log import ConflictError, CorrectionLog
from mmerc.inference.correction.edits import EDITS, TextEdit
from mmerc.inference.correction.stored_analysis import load_analysis
from mmerc.inference.pipeline.pipeline import Pipeline
from mmerc.inference.results import write_results
from mmerc.serving.corrected_job import predict_job_again
from mmerc.serving.correction_desk import open_job_desk
from mmerc.serving.correction_routes import JobDesks
from mmerc.serving.jobs import Jobs
from mmerc.serving.prediction_routes import predict_again


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with correcting(tmp_path_factory.mktemp("talk")) as (desk, address):
        page = requests.get(address, timeout=PATIENCE).url
        yield desk, page.removesuffix("/correct")


def request(revision=0, *, rater="Ann", key=None, **edit):
    return {"rater": rater, "revision": revision, "key": key or str(uuid.uuid4()), "edit": edit}


def post(url, body):
    return requests.post(f"{url}/corrections", json=body, timeout=PATIENCE)


def test_correction_response_lists_the_changes(opened):
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
    blind = {"rater": "Ben", "blind": "true"}
    for kind in ("labels.csv", "corrections.csv"):
        hidden = requests.get(f"{url}/corrected/{kind}", blind, timeout=PATIENCE)
        assert (
            hidden.text.splitlines()
            == requests.get(f"{url}/corrected/{kind}", timeout=PATIENCE).text.splitlines()[:1]
        )
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
def test_bad_requests_give_one_sentence_errors(opened, change, status, problem):
    desk, url = opened
    before = desk.log.revision
    answer = post(url, request(before, kind="label", id="3", label="joy") | change)
    assert answer.status_code == status and problem in answer.json()["detail"]
    assert desk.log.revision == before


def test_only_own_pages_can_correct(opened):
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


def test_job_is_corrected_repredicted_and_deleted(server, film, subtitles, new_page):
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
    nothing = server.ask("POST", f"{path}/predict-again")
    assert nothing.status_code == 409 and nothing.json()["detail"].startswith("No line needs")
    body = request(1, kind="text", id=first, text="I am so happy, what a lovely picture!")
    state = server.ask("POST", f"{path}/corrections", json=body).json()
    assert state["lines"][0]["stale"] and state["predicts_again"]
    other = request(2, kind="exclude", id=state["lines"][0]["id"], excluded=False)
    assert server.ask("POST", f"{path}/corrections", json=other).ok
    page = new_page(patience=1000 * PATIENCE, ignored=("debug",))
    page.goto(f"{server.url}{path}/correct")
    page.get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Start").click()
    page.get_by_role("button", name="Predict 1 line again").click()
    page.locator("#predict-again").wait_for(state="hidden")
    page.locator("#predicting:empty").wait_for(state="attached")
    assert page.locator("#trouble").is_hidden() and page.error_messages == []
    page.close()
    line = server.ask("GET", f"{path}/corrections").json()["lines"][0]
    before = state["lines"][0]
    assert not line["stale"] and line["probabilities"] != before["probabilities"]
    assert (line["label"], line["text"]) == (labels[1], body["edit"]["text"])
    row = server.ask("GET", f"{path}/corrected/csv").text.splitlines()[1]
    assert f"{line['probabilities'][labels[0]]}" in row
    assert server.ask("DELETE", path).status_code == 204
    assert server.ask("GET", f"{path}/corrections").status_code == 404
    assert not (server.folder / "jobs" / job).exists()


def test_two_servers_that_share_jobs_correct_one_analysis(tmp_path):
    servers = [Jobs(tmp_path, max_jobs=1, shared=True) for _ in range(2)]
    job = servers[0].reserve()
    write_results(ANALYSIS, servers[0].folder(job) / "results", stem="result")
    servers[0].change(job, "name = 'talk.wav', state = 'done', ended = 1.0")
    first, second = (JobDesks(SimpleNamespace(jobs=jobs)) for jobs in servers)
    label = EDITS.validate_python({"kind": "label", "id": "3", "label": "joy"})
    first(job).log.append(label, rater="Ann", revision=0)
    desk = second(job)
    with pytest.raises(ConflictError):
        desk.log.append(label, rater="Ben", revision=0)
    desk.log.append(label, rater="Ben", revision=1)
    desk.on_change()
    assert servers[0].get(job).ended > 1.0  # equal retention for both
    first(job).log.refresh()
    assert [item.author.rater for item in first(job).log.corrections] == ["Ann", "Ben"]
    assert servers[0].remove(job)
    with pytest.raises(HTTPException, match="404"):
        second(job)
    for jobs in servers:
        jobs.close()


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


@pytest.fixture(scope="module")
def analysed(tmp_path_factory):
    """The folder of a job with a changed line in its analysis."""
    folder = tmp_path_factory.mktemp("job")
    write_results(replace(ANALYSIS, duration=None), folder / "results", stem="result")
    desk = open_job_desk(folder, stem="talk")
    desk.log.append(TextEdit(kind="text", id="3", text="Oh yes."), rater="Ann")
    return folder


def test_lines_are_not_predicted_by_another_model_or_without_analysis(analysed, tmp_path):
    def load():
        return Pipeline(model=None, name="other", extractors={})

    for folder, problem in (
        (analysed, f"{ANALYSIS.model} made the analysis, but this service predicts with other"),
        (tmp_path / "deleted", "no longer there"),
    ):
        with pytest.raises(MmercError, match=problem):
            predict_job_again(folder, name="talk.mp4", load=load, report=print)
    desk = open_job_desk(analysed, stem="talk")
    state = SimpleNamespace(app=SimpleNamespace(state=SimpleNamespace(find_desk=lambda job: desk)))
    service = SimpleNamespace(predictor=SimpleNamespace(name="other"))
    with pytest.raises(HTTPException, match="predicts with other") as refused:
        predict_again("1", state, None, service)
    assert refused.value.status_code == 409
