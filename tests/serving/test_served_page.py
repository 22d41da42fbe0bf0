"""The service's page in a real browser: upload, run, click, download."""

import json
import re
from urllib.parse import urlsplit

import pytest

PATIENCE = 240_000  # milliseconds; the machine may be busy


@pytest.fixture
def visit(new_page):
    """A function that opens a server's page."""

    def open_page(server, **settings):
        page = new_page(patience=PATIENCE, ignored=("debug",), **settings)
        page.goto(server.url)
        page.locator("main > form:visible").wait_for()
        return page

    return open_page


def faults(page):
    """Findings of axe-core, if it is installed: contrast, names, roles, order (WCAG 2.2 AA)."""
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
    page.add_init_script(axe.AXE_SCRIPT)  # the page's policy forbids script tags
    page.reload()
    page.wait_for_load_state("networkidle")
    actual = page.evaluate("axe.run()")
    assert actual["passes"]
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in actual["violations"]]


def test_upload_run_click_download_delete(visit, server, film, subtitles):
    page = visit(server)
    assert "AI Act" in page.inner_text("footer")
    page.get_by_label("Film or sound file").set_input_files(film)
    page.get_by_label("Subtitles").set_input_files(subtitles)
    page.get_by_label("Sets of emotions").select_option("0.9")
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("link", name="Open the timeline").wait_for()
    assert page.inner_text("#status") == "Done."
    with page.expect_download() as downloading:
        page.get_by_role("link", name="JSON Lines").click()
    assert downloading.value.suggested_filename == "scene.jsonl"
    rows = [json.loads(line) for line in downloading.value.path().read_text().splitlines()]
    assert [row["speaker"] for row in rows] == ["Lewis", "Nora"]
    assert all(row["label"] in row["emotions"] for row in rows)
    address = page.url
    page.get_by_role("link", name="Open the timeline").click()
    page.locator("#rows tr").nth(1).click()
    for _ in range(PATIENCE // 50):
        if page.evaluate("document.querySelector('video').readyState >= 2"):
            break
        page.wait_for_timeout(50)
    assert page.evaluate("document.querySelector('video').currentTime") == rows[1]["start"]
    assert page.inner_text("#which") == "Utterance 2 of 2"
    page.goto(address)
    page.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Analyse").wait_for()
    assert page.url.rstrip("#").rstrip("/") == server.url
    assert {urlsplit(url).netloc for url in page.requested_urls} == {f"127.0.0.1:{server.port}"}
    assert page.error_messages == []


def test_everything_works_with_the_keyboard(visit, server, film):
    page = visit(server)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "recording"
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    film.with_suffix(".mp3").write_bytes(b"no sound")
    # A test cannot operate the system's own dialogue.
    page.locator(":focus").set_input_files(film.with_suffix(".mp3"))
    reached = []
    for _ in range(4):
        page.keyboard.press("Tab")
        reached.append(
            page.evaluate("document.activeElement.id || document.activeElement.textContent")
        )
    assert reached == ["subtitles", "sets", "Analyse", "example"]
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    page.get_by_role("alert").filter(has_text="not media").wait_for()
    assert page.inner_text("#status") == "The analysis failed."
    assert page.evaluate("document.activeElement.id") == "name"
    page.get_by_role("button", name="Delete now").focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Analyse").wait_for()


def test_refusals_are_shown(visit, server, tmp_path):
    page = visit(server)
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(2**20 + 1))
    page.get_by_label("Film or sound file").set_input_files(large)
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("alert").filter(has_text="larger than 1 MB").wait_for()
    named = tmp_path / "talk.docx"
    named.write_bytes(b"x")
    page.get_by_label("Film or sound file").set_input_files(named)
    page.get_by_label("Subtitles").set_input_files(named)
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("alert").filter(has_text="unknown ending").wait_for()
    page.get_by_role("button", name="Analyse").wait_for()

    def delete_first(route):
        """Another client deletes the job before the page requests it."""
        server.ask("DELETE", urlsplit(route.request.url).path)
        route.continue_()

    page.route(re.compile(r"/v1/jobs/[^/?]+$"), delete_first)
    page.get_by_role("button", name="Try the example film").click()
    page.get_by_role("alert").filter(has_text="no such job").wait_for()
    page.get_by_role("heading", name="photograph.mp4").wait_for(state="hidden")
    page.get_by_role("button", name="Analyse").wait_for()


def test_page_waits_for_a_restarting_server(visit, served, film, subtitles):
    server = served()
    page = visit(server)
    page.get_by_label("Film or sound file").set_input_files(film)
    page.get_by_label("Subtitles").set_input_files(subtitles)
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("button", name="Delete now").wait_for()
    server.kill()
    page.get_by_role("alert").filter(has_text="does not answer").wait_for()
    server.start()
    page.get_by_role("link", name="Open the timeline").wait_for()
    page.get_by_role("alert").wait_for(state="hidden")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_passes_axe(visit, server, tmp_path, scheme):
    page = visit(server, color_scheme=scheme)
    assert faults(page) == []
    (tmp_path / "no film.mp4").write_bytes(b"no film")
    page.get_by_label("Film or sound file").set_input_files(tmp_path / "no film.mp4")
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("alert").filter(has_text="not media").wait_for()
    assert faults(page) == []
    page.get_by_role("button", name="Delete now").click()


def test_one_click_runs_the_example_and_its_page_passes_axe(visit, server):
    page = visit(server, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="Try the example film").click()
    page.get_by_role("heading", name="photograph.mp4").wait_for()
    page.get_by_role("link", name="Open the timeline").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert faults(page) == []
    page.get_by_role("link", name="Open the timeline").click()
    page.locator("#rows tr").nth(11).wait_for()
    server.ask("DELETE", f"/v1/jobs/{page.url.split('/')[-3]}")
