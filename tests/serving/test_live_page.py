"""The live view of the service's page, in Chromium with a fake microphone and camera."""

import json
import shutil
import wave

import numpy as np
import pytest

PATIENCE = 240_000  # milliseconds; the machine may be busy


@pytest.fixture(scope="module")
def browser(sound, tmp_path_factory):
    """Chromium whose fake microphone plays the example video, then the same in reverse.

    Its camera shows no face.
    """
    interface = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium to open the page with")
    film = tmp_path_factory.mktemp("microphone") / "film.wav"
    with wave.open(str(film), "wb") as target:
        target.setparams((1, 2, 16000, 0, "NONE", ""))
        backwards = np.frombuffer(sound, "<i2")[::-1].tobytes()
        target.writeframes(sound + bytes(64000) + backwards + bytes(64000))
    devices = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    devices += [f"--use-file-for-fake-audio-capture={film}%noloop", "--no-sandbox"]
    with interface.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=devices, timeout=PATIENCE
        )
        yield started
        started.close()


@pytest.fixture
def visit(new_page, server):
    """A function that opens the server's page in a window of a given width."""

    def open_page(width, **settings):
        axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
        viewport = {"width": width, "height": 844}
        page = new_page(patience=PATIENCE, ignored=("debug",), viewport=viewport, **settings)
        page.add_init_script(axe.AXE_SCRIPT)
        page.goto(server.url)
        page.get_by_role("button", name="Live").wait_for()
        return page

    return open_page


def faults(page):
    """Findings of axe-core: contrast, names, roles, order (WCAG 2.2 AA)."""
    actual = page.evaluate("axe.run()")
    assert actual["passes"]
    return [(fault["id"], fault["nodes"][0]["html"]) for fault in actual["violations"]]


def wait_until(page, condition):
    """Poll; Playwright's own waiting is forbidden by the page's policy."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    raise AssertionError(condition)


def fits(page, width):
    return page.evaluate("document.documentElement.scrollWidth") <= width


def test_speech_gives_an_emotion_that_can_be_downloaded(visit, server):
    jobs_before = set((server.folder / "jobs").iterdir())
    page = visit(1280)
    page.get_by_label("with the camera").check()
    page.get_by_role("button", name="Live").click()
    page.get_by_text("Microphone on").wait_for()
    page.get_by_text("Camera on").wait_for()
    page.locator("#rows tr").first.wait_for()
    assert page.evaluate("document.getElementById('camera').videoWidth") > 0
    assert "light is better" in page.locator("#rows tr").first.inner_text()
    assert page.locator("#lanes .bar").count() >= 1
    assert page.locator("#details .meters").first.is_visible()
    assert faults(page) == [] and fits(page, 1280)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("link", name="JSON Lines").wait_for()
    assert page.get_by_text("Microphone on").is_hidden()
    assert page.get_by_text("Camera on").is_hidden()
    assert faults(page) == []
    with page.expect_download() as downloading:
        page.get_by_role("link", name="JSON Lines").click()
    rows = [json.loads(line) for line in downloading.value.path().read_text().splitlines()]
    assert "light is better" in " ".join(row["text"] for row in rows)
    page.get_by_role("link", name="Open the timeline").click()
    page.locator("#rows tr").first.wait_for()
    assert set((server.folder / "jobs").iterdir()) <= jobs_before
    assert [text for text in page.error_messages if "404" not in text] == []


def test_page_shows_the_doubts_of_the_files(visit):
    """Reversed speech gives uncertain words."""
    page = visit(1280)
    page.get_by_role("button", name="Live").click()
    page.locator("#rows .doubt", has_text="doubtful emotion").first.wait_for()
    page.locator("#rows .doubtful").first.wait_for()
    assert page.locator("#lanes .bar.doubted").count() >= 1
    page.locator("#rows tr", has_text="doubtful emotion").first.locator("button").click()
    doubts = page.locator("#details .doubts", has_text="The emotion is doubtful")
    for width in (1280, 390):
        page.set_viewport_size({"width": width, "height": 844})
        assert doubts.is_visible()
        assert faults(page) == [] and fits(page, width)
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("link", name="JSON Lines").wait_for()
    with page.expect_download() as downloading:
        page.get_by_role("link", name="JSON Lines").click()
    rows = [json.loads(line) for line in downloading.value.path().read_text().splitlines()]
    shown = [
        (
            row.locator(".doubtful").all_inner_texts(),
            row.get_by_text("doubtful emotion", exact=True).count() == 1,
            row.get_by_text("doubtful words", exact=True).count() == 1,
        )
        for row in page.locator("#rows tr").all()
    ]
    assert shown == [
        (row["doubtful_words"], row["doubtful_label"] is not None, row["doubtful_words"] != [])
        for row in rows
    ]
    assert page.error_messages == []


def test_session_survives_a_lost_connection_and_becomes_a_job(visit, server):
    page = visit(390, color_scheme="dark")
    page.get_by_label("keep the sound").check()
    page.evaluate(
        "() => { window.sockets = []; const Socket = WebSocket;"
        " window.WebSocket = class extends Socket {"
        " constructor(...all) { super(...all); window.sockets.push(this); } } }"
    )
    page.get_by_role("button", name="Live").click()
    page.get_by_text("Microphone on").wait_for()
    wait_until(page, "() => window.sockets[0].readyState === 1")
    page.evaluate("() => window.sockets[0].close()")
    wait_until(page, "() => window.sockets.length > 1 && window.sockets[1].readyState === 1")
    page.locator("#rows tr").first.wait_for()
    assert "light is better" in page.locator("#rows tr").first.inner_text()
    assert faults(page) == [] and fits(page, 390)
    page.locator("#rows tr button").first.focus()
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.closest('#rows') !== null")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("heading", name="live.webm").wait_for()
    page.get_by_role("link", name="Open the timeline").wait_for()
    page.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Live").wait_for()
    assert page.error_messages == []


def test_session_in_which_nobody_speaks_offers_no_results(visit):
    page = visit(390)
    page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia ="
        " async () => new AudioContext().createMediaStreamDestination().stream; }"
    )
    page.get_by_role("button", name="Live").click()
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("nobody was heard").wait_for()
    assert page.get_by_role("link", name="Open the timeline").is_hidden()
    assert faults(page) == []
    page.get_by_role("button", name="Back").click()
    page.get_by_role("button", name="Live").wait_for()
    assert page.error_messages == []


def test_unusable_devices_are_reported(visit):
    page = visit(390)
    for error, alone, both in [
        ("NotAllowedError", "allow it in the browser", "allow both in the browser"),
        ("NotFoundError", "microphone cannot be used; connect one", "go on without the camera"),
        ("NotReadableError", "close the program", "close the program"),
    ]:
        page.evaluate(
            "(name) => { navigator.mediaDevices.getUserMedia ="
            " async () => { throw new DOMException('', name); } }",
            error,
        )
        for camera, words in ((False, alone), (True, both)):
            page.get_by_label("with the camera").set_checked(camera)
            page.get_by_role("button", name="Live").click()
            page.get_by_role("alert").filter(has_text=words).wait_for()
    page.get_by_role("button", name="Live").wait_for()
