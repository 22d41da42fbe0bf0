"""The report of a study in a real browser: wide, narrow, dark and printed."""

import pytest
from simulated import write_report_study

from mmerc.studies.report.render import write_report

PATIENCE = 240_000  # milliseconds; the machine may be busy


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(write_report_study(tmp_path_factory.mktemp("study") / "Couples"))


@pytest.fixture
def visit(new_page, report):
    """A function that opens the report."""

    def open_page(width=1280, **settings):
        page = new_page(patience=PATIENCE, viewport={"width": width, "height": 800}, **settings)
        page.goto(report.as_uri())
        return page

    return open_page


@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 390)])
def test_report_fits_and_passes_axe(visit, report, width, scheme):
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe is not installed")
    page = visit(width, color_scheme=scheme)
    assert page.error_messages == [] and page.requested_urls == [report.as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    # A heat map of many labels scrolls in its own box; the page is as wide as the window.
    page.evaluate(
        "document.querySelectorAll('.heat td').forEach((cell) => cell.style.minWidth = '30rem')"
    )
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    cut = page.evaluate(
        """() => [...document.querySelectorAll("main td, main th, main p, main dd")]
          .filter((part) => part.closest(".scroll") === null)
          .filter((part) => part.getBoundingClientRect().right > innerWidth + 1)
          .map((part) => part.textContent)"""
    )
    assert cut == []
    page.add_init_script(axe.AXE_SCRIPT)  # the page's policy forbids script tags
    page.reload()
    actual = page.evaluate("axe.run()")
    assert actual["passes"]
    faults = [(fault["id"], fault["nodes"][0]["html"]) for fault in actual["violations"]]
    assert faults == []


def test_figures_use_the_label_colours(visit):
    page = visit()
    colours = page.evaluate(
        """() => [...document.querySelectorAll(".legend li")].slice(0, 3).map((item) =>
          [item.textContent, getComputedStyle(item.querySelector("rect")).fill])"""
    )
    assert colours == [
        ["neutral", "rgb(153, 153, 153)"], ["joy", "rgb(240, 228, 66)"],
        ["sadness", "rgb(0, 114, 178)"],
    ]  # fmt: skip
    sizes = page.evaluate(
        """() => [...document.querySelectorAll("svg.bar, svg.river, svg.whisker")]
          .map((figure) => figure.getBoundingClientRect())
          .filter((box) => box.width < 60 || box.height < 10).length"""
    )
    assert sizes == 0


def test_paragraph_and_references_can_be_copied_or_selected(visit):
    page = visit()
    for name, button in (
        ("paragraph", "Copy the paragraph"),
        ("references", "Copy the references"),
    ):
        page.get_by_role("button", name=button).click()
        for _ in range(PATIENCE // 50):
            if page.inner_text("#copied"):
                break
            page.wait_for_timeout(50)
        if page.inner_text("#copied").startswith("Selected"):
            assert page.evaluate("getSelection().toString()").strip()[:40] in page.inner_text(
                f"#{name}"
            )
        else:
            assert page.inner_text("#copied") == "Copied."


def test_printout_shows_everything_on_white(visit):
    page = visit(794, color_scheme="dark")
    page.emulate_media(media="print")
    assert not page.get_by_role("button").first.is_visible()
    assert page.evaluate("getComputedStyle(document.body).color") == "rgb(28, 30, 33)"
    hidden = page.evaluate(
        """() => [...document.querySelectorAll(".scroll")]
          .filter((part) => part.scrollHeight > part.clientHeight + 1).length"""
    )
    assert hidden == 0
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert page.pdf(format="A4").startswith(b"%PDF")
