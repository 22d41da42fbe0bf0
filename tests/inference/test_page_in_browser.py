"""The page of an analysis in a real browser."""

import re
from dataclasses import replace

import av
import numpy as np
import pytest
import soundfile
from talk import ANALYSIS, EVIL, PREDICTIONS, SCENE, TALK, contrast, with_times

from mmerc.inference.analysis import Marks
from mmerc.inference.page.data import _luminance
from mmerc.inference.page.render import render_page
from mmerc.labels import MELD_7, LabelSet

PATIENCE = 120_000  # milliseconds; the machine may be busy


def write_film(path, seconds):
    """A silent video with one increasingly dark frame per second."""
    with av.open(path, "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=1, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.gop_size = 4
        for second in range(seconds):
            picture = np.full((180, 320, 3), 90 - second // 2, dtype=np.uint8)
            picture[60:120, 2 * second : 2 * second + 40] = 200
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    created = tmp_path_factory.mktemp("page")
    write_film(created / SCENE, 118)
    return created


@pytest.fixture
def visit(new_page, reset_page, folder):
    """A function that opens an analysis in a new or a reused tab."""
    reset_page.set_default_timeout(PATIENCE)

    def open_page(analysis=ANALYSIS, *, new=False, **settings):
        page = new_page(patience=PATIENCE, **settings) if new or settings else reset_page
        (folder / "x.html").write_text(render_page(analysis), encoding="utf-8")
        page.goto((folder / "x.html").as_uri())
        return page

    return open_page


def until(page, condition):
    """Wait for a condition (Playwright's own waiting calls eval, which is forbidden)."""
    for _ in range(PATIENCE // 50):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(50)
    pytest.fail(f"it never came true: {condition}")


def until_text(page, part, text):
    until(page, f"document.querySelector('{part}').textContent.includes('{text}')")


def seconds(page):
    return page.evaluate("document.querySelector('video').currentTime")


def ready(page):
    until(page, "document.querySelector('video').readyState >= 1")
    return page


def test_page_opens_without_errors_and_requests_only_the_recording(visit, folder):
    page = ready(visit(new=True))
    assert page.error_messages == []
    assert set(page.requested_urls) == {(folder / "x.html").as_uri(), (folder / SCENE).as_uri()}
    assert page.title() == SCENE
    assert "25 utterances · 3 speakers" in page.inner_text("#facts")
    assert "quieter than any" in page.inner_text("#remarks")
    assert page.locator(".bar").count() == page.locator("#rows tr").count() == 25
    blocked = page.evaluate(
        """() => new Promise((tell) => {
          document.addEventListener("securitypolicyviolation", (event) => tell(event.blockedURI));
          new Image().src = "https://example.org/x.png";
        })"""
    )
    assert blocked == "https://example.org/x.png"


def test_bar_and_row_seek_the_recording_and_show_the_reasons(visit):
    page = ready(visit())
    page.get_by_role("button", name="0:26, Ines, neutral").click()
    assert seconds(page) == 26.0
    assert page.inner_text("#which") == "Utterance 9 of 25"
    assert page.locator("[aria-current]").count() == 2  # the bar and the row
    page.locator("#rows tr").nth(9).locator(".said").click()
    assert seconds(page) == pytest.approx(30.4)
    details = page.inner_text("#details")
    assert "You do the floor yourselves" in details
    assert "absent: two voices at once" in details
    for name in MELD_7:
        shown = round(100 * PREDICTIONS[9].probabilities[name])
        assert re.search(rf"{name}\s+{shown}%", details)


def test_current_utterance_is_selected_during_playback(visit):
    page = ready(visit())
    page.evaluate("document.querySelector('video').currentTime = 55")
    until_text(page, "#which", "Utterance 15 of 25")
    page.evaluate("document.querySelector('video').currentTime = 26.5")  # two people speak at once
    until_text(page, "#which", "Utterance 9 of 25")
    assert page.locator(".head").evaluate("head => head.style.left") == f"{100 * 26.5 / 118:.4f}%"


def test_single_utterance_plays_to_its_end(visit):
    page = ready(visit())
    page.evaluate("document.querySelector('video').playbackRate = 4")
    page.locator("#rows tr").nth(1).click()
    page.get_by_role("button", name="Play", exact=True).click()
    until(page, "document.querySelector('video').currentTime >= 7")
    until(page, "document.querySelector('video').paused")
    assert page.inner_text("#which") == "Utterance 2 of 25"


@pytest.mark.parametrize("part", [".bar", "#rows button"])
def test_arrow_keys_move_through_utterances(visit, part):
    page = ready(visit())
    assert page.locator(f"{part}[tabindex='0']").count() == 1
    page.locator(f"{part}[tabindex='0']").focus()
    focused = "document.activeElement.closest('[data-index]').dataset.index"
    for key, expected in (("ArrowRight", 1), ("ArrowDown", 2), ("ArrowUp", 1), ("End", 24)):
        page.keyboard.press(key)
        assert page.evaluate(focused) == str(expected)
    assert page.inner_text("#which") == "Utterance 25 of 25"
    assert seconds(page) == 106.0
    page.keyboard.press("ArrowRight")
    assert page.evaluate(focused) == "24"
    page.keyboard.press("Home")
    assert page.evaluate(focused) == "0"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"


def test_every_part_is_reachable_by_tab(visit):
    page = ready(visit())
    missing = ["media", "play", "filters", "speaker", "search", "zoom", "bar", "utterances"]
    for _ in range(40):
        page.keyboard.press("Tab")
        place = page.evaluate(
            """() => { const { id, className } = document.activeElement;
              const parts = document.activeElement.closest("section")?.className;
              return [id, className, parts, document.activeElement.parentElement.className] }"""
        )
        missing = [part for part in missing if part not in place]
        if not missing:
            break
    assert missing == []


def test_filters_narrow_list_and_timeline(visit):
    page = ready(visit())
    page.get_by_role("button", name="anger 3").click()
    assert page.locator("#rows tr:visible").count() == 3
    assert page.locator(".bar:enabled").count() == 3
    assert page.inner_text("#shown") == "3 of 25"
    assert page.inner_text("#which") == "Utterance 15 of 25"
    page.locator(".bar[tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert page.inner_text("#which") == "Utterance 18 of 25"
    page.get_by_role("combobox", name="Speaker").select_option("Ines")
    assert page.inner_text("#shown") == "1 of 25"
    page.get_by_role("button", name="Show all").click()
    assert page.locator("#rows tr:visible").count() == 25
    page.get_by_role("searchbox", name="Search").fill("PÁRKING place")
    assert page.inner_text("#shown") == "2 of 25"
    page.get_by_role("searchbox", name="Search").fill("no such words")
    assert page.inner_text("#shown") == "0 of 25"


def test_shares_of_each_speaker(visit):
    summary = visit().locator("#summary article")
    jonas = [line for line in TALK if line[2] == "Jonas"]
    total = sum(end - start for start, end, *_ in jonas)
    glad = sum(end - start for start, end, _, label, _ in jonas if label == "joy")
    text = summary.nth(1).inner_text()
    assert f"{len(jonas)} utterances, 0:{int(total):02d} of speech" in text
    assert f"joy {round(100 * glad / total)}%" in text


def test_zoom_widens_the_timeline_in_its_own_scroll_area(visit):
    page = ready(visit())
    width = page.locator("#lanes").evaluate("lanes => lanes.clientWidth")
    bar = page.get_by_role("button", name="0:42, Jonas")
    assert bar.inner_text() == ""  # too short for a name
    for _ in range(3):
        page.get_by_role("button", name="Zoom in").click()
    assert page.locator("#lanes").evaluate("lanes => lanes.clientWidth") > 7 * width
    assert bar.inner_text() == "joy"
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280


def test_hostile_text_is_inert(visit, folder):
    labels = LabelSet("evil", ("fine", EVIL))
    item = replace(
        PREDICTIONS[0],
        speaker=EVIL,
        text=EVIL,
        label=EVIL,
        probabilities={"fine": 0.4, EVIL: 0.6},
        effects={"text": None, "audio": None, "video": None},
    )
    page = visit(
        replace(
            ANALYSIS, model=EVIL, labels=labels, predictions=(item,), remarks=(EVIL,),
            absent={"0": {"text": EVIL}},
        ),
        new=True,
    )  # fmt: skip
    ready(page)
    assert page.evaluate("window.pwned") is None
    assert page.locator("blockquote").evaluate("said => said.textContent") == EVIL
    assert page.locator("#rows .said").evaluate("said => said.textContent") == EVIL
    assert page.locator("img").count() == 0
    assert len(page.requested_urls) == 2 and page.error_messages == []


def test_nothing_overflows_on_a_phone(visit):
    item = replace(PREDICTIONS[0], text="Donau" * 60, speaker="Maximiliane" * 6)
    created = replace(ANALYSIS, predictions=(item, *PREDICTIONS[1:]), recording=SCENE)
    page = visit(created)
    for width in (320, 360, 700):
        page.set_viewport_size({"width": width, "height": 740})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("#rows tr").first.locator(".said").is_visible()


def test_printout_is_a_table_of_every_utterance(visit):
    page = visit()
    page.get_by_role("button", name="anger 3").click()
    page.emulate_media(media="print")
    assert page.locator("#rows tr:visible").count() == 25
    assert not page.locator("video").is_visible()
    assert not page.locator(".timeline").is_visible()
    row = page.locator("#rows tr").nth(9).inner_text().split()
    assert row[:4] == ["0:30–0:34", "Marta", "surprise", row[3]]
    clipped = page.locator("#list").evaluate("list => list.scrollHeight > list.clientHeight + 1")
    assert not clipped
    assert page.locator("footer").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_readable_in_light_and_dark_mode(visit, scheme):
    page = visit(color_scheme=scheme)
    names = ["--ground", "--raised", "--chosen", "--text", "--soft"]
    values = page.evaluate(
        "names => names.map(name => getComputedStyle(document.body).getPropertyValue(name))", names
    )
    grounds, inks = values[:3], values[3:]
    assert all(contrast(ground, ink) >= 4.5 for ground in grounds for ink in inks)
    assert (_luminance(grounds[0]) < 0.1) == (scheme == "dark")
    painted = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert painted == "rgb({}, {}, {})".format(*bytes.fromhex(grounds[0][1:]))


def test_untimed_utterances_are_listed_but_not_in_the_timeline(visit):
    page = ready(visit(with_times((None, None), (1.0, None), (2.0, 3.0), (None, 4.0))))
    assert page.locator("#rows tr").count() == 4
    assert page.locator(".bar").count() == 1
    assert "3 without times" in page.inner_text("#facts")
    page.locator("#rows tr").nth(0).click()
    assert page.inner_text("#which") == "Utterance 1 of 4"
    assert page.locator("#play").is_disabled()
    nowhere = visit(with_times((None, None), (None, None)))
    assert not nowhere.locator(".timeline").is_visible()
    assert "shares by number" in nowhere.inner_text("#summary")
    empty = visit(replace(ANALYSIS, predictions=()))
    assert "0 utterances" in empty.inner_text("#facts")
    assert empty.error_messages == []


def test_doubts_are_marked(visit, tmp_path):
    text = PREDICTIONS[0].text
    start = text.index("kept")
    marks = {"0": Marks(overlap=0.412, doubtful=((start, start + 4),)), "1": Marks(overlap=0.05)}
    marks["3"] = Marks(label="no words")
    sets = [("joy", "surprise"), ("neutral", "fear", "joy", "anger")]
    asked = [
        replace(item, emotions=one, unsure=len(one) > 3)
        for item, one in zip(PREDICTIONS, sets, strict=False)
    ]
    predictions = (*asked, *PREDICTIONS[len(asked) :])
    page = visit(replace(ANALYSIS, marks=marks, predictions=predictions, set_level=0.9))
    rows = page.locator("#rows tr")
    assert page.locator("#details .set").text_content() == "joy or surprise (90 %)"
    doubts = [rows.nth(n).locator(".doubt").all_text_contents() for n in (0, 1, 3, 4)]
    assert doubts == [["overlap 41%", "doubtful words"], [], ["doubtful emotion"], ["no face"]]
    assert rows.nth(0).locator(".doubtful").all_text_contents() == ["kept"]
    assert page.locator("blockquote").text_content() == text
    assert page.locator("#details .doubts li").all_text_contents() == [
        "Another speaker talks during 41% of it.",
        "The transcriber was not sure of the underlined words.",
    ]
    assert page.locator(".bar.overlapped").count() == 1
    assert "(doubtful)" in page.locator(".bar.doubted").get_attribute("title")
    page.screenshot(path=tmp_path / "doubts.png", full_page=True)
    rows.nth(4).locator(".said").click()
    assert page.locator("#details .doubts").text_content() == "No face of the speaker on screen."
    assert page.locator("#details .set").count() == 0
    rows.nth(1).locator(".said").click()
    unsure = "unsure: neutral or fear or joy or anger (90 %)"
    assert page.locator("#details .set").text_content() == unsure
    colours = {
        page.locator(".lane .speaker-dot")
        .nth(n)
        .evaluate("e => getComputedStyle(e).backgroundColor")
        for n in range(3)
    }
    assert len(colours) == 3
    assert page.error_messages == []


def test_missing_recording_is_reported(visit):
    page = visit(replace(ANALYSIS, recording="elsewhere.mp4"))
    until_text(page, "#trouble", "elsewhere.mp4 cannot be played")
    page.get_by_role("button", name="0:26, Ines, neutral").click()
    assert page.inner_text("#which") == "Utterance 9 of 25"


def test_audio_only_needs_no_picture(visit, folder):
    soundfile.write(folder / "voice.wav", np.zeros(8000, dtype="float32"), 8000)
    page = ready(visit(replace(ANALYSIS, recording="voice.wav")))
    until(page, "document.querySelector('video').clientHeight < 80")


def test_three_thousand_utterances(visit):
    many = tuple(
        replace(PREDICTIONS[i % 25], id=str(i), start=2.0 * i, end=2.0 * i + 1.5)
        for i in range(3000)
    )
    page = ready(visit(replace(ANALYSIS, predictions=many, duration=6000.0)))
    assert page.locator(".bar").count() == page.locator("#rows tr").count() == 3000
    assert page.evaluate("document.querySelectorAll('*').length") < 40_000
    page.locator("#rows button[tabindex='0']").focus()
    page.keyboard.press("End")
    until(page, "!document.querySelector('video').seeking")
    page.evaluate("new Promise(requestAnimationFrame)")
    assert page.inner_text("#which") == "Utterance 3000 of 3000"  # long after the end of the video
    assert page.locator("#play").is_disabled()
