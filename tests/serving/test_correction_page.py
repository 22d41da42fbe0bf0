"""Correcting in a real browser: labels, words, boundaries, speakers, undo, blind, two raters."""

import re

import pytest

pytest.importorskip("fastapi", reason="the extra serve is not installed")

from dataclasses import replace

from correction_pages import correcting
from talk import ANALYSIS

PATIENCE = 240_000  # milliseconds; the machine may be busy


@pytest.fixture
def table(tmp_path):
    """The desk and URL of an analysis."""
    with correcting(tmp_path / "talk") as opened:
        yield opened


@pytest.fixture
def visit(new_page, table):
    """A function that opens the page as a rater."""

    def open_page(rater="Ann", *, query="", **settings):
        # The recording of this analysis is missing, and refused corrections are expected.
        page = new_page(patience=PATIENCE, ignored=("debug", "error"), **settings)
        page.goto(table[1] + query)
        page.get_by_label("Your name").fill(rater)
        page.get_by_role("button", name="Start").click()
        page.locator(".line").nth(24).wait_for(state="attached")
        page.locator(".line[aria-current]").wait_for()
        return page

    return open_page


def row(page, number):
    return page.locator(".line").nth(number)


def saved(page):
    """The page once no request is pending."""
    page.locator("#saved", has_text=re.compile("^Saved$")).wait_for()
    return page


def test_correct_labels_words_and_lines_by_keyboard(visit, table):
    lines = table[0].log.lines
    page = visit()
    row(page, 3).locator(".time").click()
    page.keyboard.press("7")
    row(page, 3).locator(".chosen", has_text="anger").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.press("End")
    page.keyboard.type(" Hm?")
    page.keyboard.press("Enter")
    row(page, 4).locator(".said", has_text="at once. Hm?").wait_for()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.keyboard.press("Home")
    for _ in range(7):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Control+Enter")
    row(page, 4).locator(".said", has_text="Not the soup.").wait_for()
    row(page, 3).locator(".said", has_text=re.compile(r"^Oh no\.$")).wait_for()
    page.keyboard.press("Alt+ArrowLeft")  # the start of the first part
    saved(page)
    assert lines.lines["3"].label == "anger" and lines.lines["3"].start == 10.55
    page.keyboard.press("m")
    row(page, 3).locator(".said", has_text="Oh no. Not the soup.").wait_for()
    page.keyboard.press("x")
    page.locator(".line.excluded").wait_for()
    page.keyboard.press("Control+z")
    page.locator(".line.excluded").wait_for(state="detached")
    page.keyboard.press("Control+Shift+z")
    page.locator(".line.excluded").wait_for()
    page.reload()
    page.locator(".line.excluded").wait_for()
    assert page.locator(".line").count() == 25
    row(page, 4).locator(".said", has_text="Hm?").wait_for()
    assert page.inner_text("#rater") == "Ann"
    assert "1 labelled · 1 excluded" in page.inner_text("#facts")
    assert page.error_messages == []


def test_correct_speakers_and_boundaries_and_download_by_pointer(visit, table):
    log = table[0].log
    page = visit()
    row(page, 3).locator(".time").click()
    page.locator("#speaker").fill("Jonathan")
    page.get_by_role("button", name="All 8 of Jonas").click()
    page.locator(".who", has_text="Jonathan").nth(7).wait_for(state="attached")
    saved(page)
    assert sum(line.speaker == "Jonathan" for line in log.lines.lines.values()) == 8
    handle = page.get_by_role("slider", name="End")
    before = log.lines.lines["3"].end
    box = handle.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 5)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2 + 20, box["y"] + 5, steps=3)
    page.mouse.up()
    saved(page)
    assert log.lines.lines["3"].end > before
    handle.focus()
    page.keyboard.press("Shift+ArrowLeft")
    saved(page)
    assert log.lines.lines["3"].end == pytest.approx(before, abs=0.5)
    page.get_by_text("Download").click()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="Table (CSV)").click()
    assert downloading.value.suggested_filename == "talk.csv"
    assert "Jonathan" in downloading.value.path().read_text()


def test_blind_rater_sees_no_prediction_before_choosing(visit, table):
    page = visit("Ben", query="?blind")
    assert page.locator(".emotion", has_text="choose").count() == 25
    assert "hidden until you choose" in page.inner_text("#prediction")
    state = page.evaluate("fetch('corrections?rater=Ben&blind=true').then((a) => a.json())")
    assert all(line["predicted"] is line["probabilities"] is None for line in state["lines"])
    row(page, 3).locator(".time").click()
    page.keyboard.press("1")
    row(page, 3).locator(".chosen", has_text="neutral").wait_for()
    saved(page)
    assert page.inner_text("#which") == "Line 5 of 25"  # after a label, the next line
    row(page, 3).locator(".time").click()
    assert "Predicted: sadness 59%" in page.inner_text("#prediction")
    state = page.evaluate("fetch('corrections?rater=Cleo&blind=true').then((a) => a.json())")
    assert all(line["label"] is None for line in state["lines"]) and not state["corrections"]


def test_two_raters_on_one_line_and_nothing_is_lost(visit, table):
    log = table[0].log
    ann, ben = visit("Ann"), visit("Ben")
    # Ben's page polls for others' changes every three seconds; here it is too early.
    ben.route("**/corrections?*since=*", lambda route: route.abort(), times=1000)
    for page, key in ((ann, "5"), (ben, "7")):
        row(page, 3).locator(".time").click()
        page.keyboard.press(key)
        if page is ann:
            saved(ann)
            row(ann, 3).locator(".chosen", has_text="joy").wait_for()
    ben.locator("#conflict").wait_for()
    assert ben.inner_text("#conflict-text") == (
        "Meanwhile Ann chose another label for this line: \u201cjoy\u201d. Your label: anger."
    )
    assert log.lines.lines["3"].label == "joy"
    ben.unroute("**/corrections?*since=*")
    row(ben, 3).locator(".chosen", has_text="joy").wait_for()
    ben.get_by_role("button", name="Use mine").click()
    row(ben, 3).locator(".chosen", has_text="anger").wait_for()
    saved(ben)
    assert log.lines.lines["3"].label == "anger"
    row(ann, 3).locator(".chosen", has_text="anger").wait_for()  # Ann's page is notified


def test_corrections_wait_for_an_unavailable_server(visit, table):
    page = visit()
    page.route("**/corrections", lambda route: route.abort(), times=1)
    row(page, 3).locator(".time").click()
    page.keyboard.press("7")
    page.locator("#saved.trouble", has_text="Not saved yet").wait_for()
    row(page, 3).locator(".chosen", has_text="anger").wait_for()
    saved(page)
    assert table[0].log.revision == 1


def test_many_lines_are_grouped_and_complete(new_page, tmp_path):
    """60 lines: a full group, a second one, and a third of ten."""
    first, times = ANALYSIS.predictions[0], range(60)
    lines = [
        replace(
            first, id=f"{i}", text=f"Words number {i}. And more.", start=4.0 * i, end=4 * i + 3.0
        )
        for i in times
    ]
    analysis = replace(ANALYSIS, predictions=tuple(lines), absent={}, marks={}, duration=240.0)
    with correcting(tmp_path / "many", analysis) as (desk, address):
        page = new_page(patience=PATIENCE, ignored=("debug", "error"))
        page.goto(address)
        page.get_by_label("Your name").fill("Ann")
        page.get_by_role("button", name="Start").click()
        page.locator(".line[aria-current]").wait_for()
        sizes = "Array.from(document.querySelectorAll('.group'), (g) => g.childElementCount)"
        assert page.evaluate(sizes) == [25, 25, 10]
        assert page.get_by_role("listitem").count() == 60  # for screen readers too
        assert page.evaluate("find('number 57')") and page.evaluate("scrollY") > 1000
        page.emulate_media(media="print")
        heights = "Array.from(document.querySelectorAll('.line'), (row) => row.offsetHeight)"
        assert min(page.evaluate(heights)) > 10
        page.emulate_media(media="screen")
        row(page, 24).locator(".time").click()  # the last one of its group
        page.keyboard.press("Enter")
        page.keyboard.press("Home")
        for _ in "Words number 24.":
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Control+Enter")
        saved(page)
        assert page.evaluate(sizes) == [26, 25, 10]
        page.keyboard.press("7")
        row(page, 24).locator(".chosen", has_text="anger").wait_for()
        page.keyboard.press("Control+z")
        page.keyboard.press("Control+z")
        page.locator(".line").nth(60).wait_for(state="detached")
        order = page.evaluate("Array.from(document.querySelectorAll('.line'), (r) => r.dataset.id)")
        assert order == desk.log.lines.order == [f"{i}" for i in times]
        row(page, 40).locator(".time").click()
        page.keyboard.press("x")
        page.locator(".line.excluded").wait_for()
        page.get_by_label("Show").select_option("excluded")
        assert page.locator(".group:visible").count() == page.locator(".line:visible").count() == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_page_passes_axe_and_fits(visit, width):
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
    page = visit(viewport={"width": width, "height": 844})
    row(page, 3).locator(".time").click()
    page.keyboard.press("7")
    saved(page)
    page.add_init_script(axe.AXE_SCRIPT)
    page.reload()
    page.locator(".line[aria-current]").wait_for()
    for prepare in ("", "Enter"):
        if prepare:
            row(page, 0).locator(".time").focus()
            page.keyboard.press(prepare)
        actual = page.evaluate("axe.run()")
        faults = [(fault["id"], fault["nodes"][0]["html"]) for fault in actual["violations"]]
        assert actual["passes"] and faults == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
