"""Labelling a sample on the page: blind, several recordings, labels with their sampling design."""

import csv
import io
import re
from dataclasses import replace

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

import requests
from correction_pages import correcting
from talk import ANALYSIS

from mmerc.annotation.agreement_report import compare_raters
from mmerc.annotation.share_report import report_shares
from mmerc.errors import InputError
from mmerc.inference.correction.edited_results import list_labels
from mmerc.inference.correction.edits import LabelEdit
from mmerc.inference.results import write_results
from mmerc.serving.correction_desk import open_desk
from mmerc.serving.correction_server import _FileWriter
from mmerc.studies.label_sample import write_sample

PATIENCE = 240  # seconds; the machine may be busy


@pytest.fixture(scope="module")
def study(tmp_path_factory, film):
    """Analyses of two recordings with the same utterance ids."""
    folder = tmp_path_factory.mktemp("study")
    for name in ("one", "two"):
        items = [replace(item, conversation=name) for item in ANALYSIS.predictions]
        analysis = replace(ANALYSIS, recording=f"{name}.mp4", predictions=tuple(items), marks={})
        write_results(analysis, folder, stem=name)
    (folder / "one.mp4").write_bytes(film.read_bytes())
    return folder


@pytest.fixture(scope="module")
def sample(study, tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn") / "sample"
    write_sample(study, folder, utterances=20, strategy="stratified")
    return folder


def label_all(page, address):
    """Label all lines as joy with the keyboard."""
    page.goto(address)
    page.get_by_label("Your name").fill("Ann")
    page.get_by_role("button", name="Start").click()
    page.locator(".line[aria-current]").wait_for()
    assert page.locator(".emotion", has_text="choose").count() == 20
    assert page.locator(".correcting:visible").count() == 0
    page.locator(".line .time").first.click()
    for _ in range(20):
        page.keyboard.press("5")
    for key in ("x", "m", "Enter"):  # none: a sample is not corrected
        page.keyboard.press(key)
    page.locator("#saved", has_text=re.compile("^Saved$")).wait_for()
    page.locator(".chosen", has_text="joy").nth(19).wait_for()


def test_sample_is_labelled_blind_and_labels_record_the_sampling(sample, study, new_page, tmp_path):
    with correcting(sample) as (desk, address):
        url = requests.get(address, timeout=PATIENCE).url.removesuffix("/correct")

        def ask(path, **query):
            return requests.get(f"{url}/{path}", query, timeout=PATIENCE)

        def post(**edit):
            body = {"rater": "Ben", "revision": 0, "key": "12345678-9", "edit": edit}
            return requests.post(f"{url}/corrections", json=body, timeout=PATIENCE)

        page = new_page(patience=1000 * PATIENCE, ignored=("debug", "error"))
        label_all(page, address)
        assert "20 lines · 20 labelled" in page.inner_text("#facts")
        assert page.locator("textarea").count() == 0 and page.inner_text("#prediction") == ""
        last = desk.sample.utterances[-1]
        assert page.inner_text("#from").startswith(last.conversation)
        assert page.locator("#before li").all_inner_texts() == list(last.before)
        assert page.inner_text("#now") == f"{last.speaker}: {last.text}"
        state = ask("corrections", rater="Ann").json()
        assert all(line["predicted"] is line["probabilities"] is None for line in state["lines"])
        refused = post(kind="text", id="1", text="No.")
        assert refused.status_code == 422 and "only labelled" in refused.json()["detail"]
        own = post(kind="label", id="1", label="anger")  # blind raters do not conflict
        assert [item["rater"] for item in own.json()["corrections"]] == ["Ben"]
        assert ask("recording", conversation="one").content == (study / "one.mp4").read_bytes()
        for name in ("two", "../../etc/passwd"):
            assert ask("recording", conversation=name).status_code == 404
        assert ask("corrected/csv").status_code == 404
        own = ask("corrected/labels.csv", rater="Ann").text.splitlines()
        assert len(own) == 21 and all(row.endswith("joy,Ann") for row in own[1:])
        done = list(csv.DictReader(io.StringIO(ask("corrected/corrections.csv", rater="Ben").text)))
        assert [(row["rater"], row["values"]) for row in done] == [("Ben", "anger")]
        assert "whose list" in ask("corrected/labels.csv").json()["detail"]
        page.locator("#files summary").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Your labels").click()
        assert download.value.path().read_text().splitlines() == own
        assert page.locator("#formats li").count() == 2
        writer = _FileWriter(desk)
        writer.written = -1
        writer.write()
    labels = (sample / "labels.csv").read_text()
    rows = list(csv.DictReader(io.StringIO(labels)))
    assert len(rows) == 21 and {row["strategy"] for row in rows} == {"stratified"}
    assert sum(float(row["weight"]) for row in rows if row["rater"] == "Ann") == pytest.approx(50)
    people = compare_raters([sample / "labels.csv"], model=study)
    assert people.people.raters == ("Ann", "Ben")
    assert any("weighted by how many" in line for line in people.remarks)
    lines = labels.splitlines(keepends=True)
    (tmp_path / "ann.csv").write_text("".join(x for x in lines if not x.endswith("Ben\n")))
    assert report_shares(study, tmp_path / "ann.csv").whole.labelled == 20


@pytest.mark.parametrize("width", [390, 1280])
def test_sample_page_passes_axe_and_fits(sample, new_page, width):
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
    size = {"width": width, "height": 844}
    with correcting(sample) as (_, address):
        page = new_page(patience=1000 * PATIENCE, ignored=("debug", "error"), viewport=size)
        page.add_init_script(axe.AXE_SCRIPT)
        page.goto(address)
        for name in ("who are you", "a line to label", "a labelled line"):
            if name == "a line to label":
                page.get_by_label("Your name").fill(f"Cleo {width}")
                page.get_by_role("button", name="Start").click()
                page.locator(".line[aria-current]").wait_for()
            elif name == "a labelled line":
                page.keyboard.press("5")
                page.locator(".chosen", has_text="joy").first.wait_for()
                page.locator(".line .time").first.click()
                page.locator("#files summary").click()
                page.locator("summary", has_text="Keys").click()
            actual = page.evaluate("axe.run()")
            faults = [(fault["id"], fault["nodes"][0]["html"]) for fault in actual["violations"]]
            assert actual["passes"] and faults == [], name
            assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_labels_of_self_chosen_lines_are_marked(study, tmp_path):
    desk = open_desk(study / "one")
    for number in range(25):
        edit = LabelEdit(kind="label", id=str(number), label="joy")
        desk.log.append(edit, rater="Ann")
        if number in {3, 24}:
            (tmp_path / f"{number}.csv").write_text(list_labels(desk.log))
    chosen, everything = (report_shares(study / "one.csv", tmp_path / f"{n}.csv") for n in (3, 24))
    assert "chose which lines to label" in chosen.remarks[0]
    assert "random sample" in everything.remarks[0]


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("elan/", "/etc/", "outside of its folder"),
        ('"utterances"', '"lines"', "not a sample"),
        ('"labels"', '"labels": [], "before"', "without labels"),
    ],
)
def test_damaged_sample_is_refused(sample, tmp_path, old, new, problem):
    text = (sample / "sample.json").read_text()
    assert old in text
    (tmp_path / "sample.json").write_text(text.replace(old, new))
    with pytest.raises(InputError, match=problem):
        open_desk(tmp_path)
