"""Latency of the correction page with 5,000 lines in headless Chromium: keys, scrolling, saving."""

import shutil
import statistics
import tempfile

from playwright.sync_api import sync_playwright

from kill_corrections import invent_analysis, start
from mmerc.inference.results import write_results

LINES, TRIES = 5000, 20
# Milliseconds from a key press until its effect is painted, and until it is saved.
KEY = """
async (key) => {
  const target = document.activeElement;
  const begin = performance.now();
  target.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  const screen = performance.now() - begin;
  while (document.getElementById("saved").textContent !== "Saved") {
    await new Promise((done) => setTimeout(done, 5));
  }
  return [screen, performance.now() - begin];
}
"""
SCROLL = """
async (tries) => {
  const times = [];
  for (let i = 1; i <= tries; i += 1) {
    const begin = performance.now();
    scrollTo(0, (document.documentElement.scrollHeight * i) / (tries + 1));
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    times.push(performance.now() - begin);
  }
  return times;
}
"""


def describe(times):
    return f"{statistics.median(times):.0f} ms (median), {max(times):.0f} ms (maximum)"


def main():
    with tempfile.TemporaryDirectory() as folder:
        write_results(invent_analysis(LINES), folder, stem="talk")
        process, url = start(folder)
        try:
            measure(url.removesuffix("ions"))
        finally:
            process.terminate()
            process.join()


def measure(address):
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox"], timeout=240_000
        )
        page = chromium.new_page(viewport={"width": 1280, "height": 900})
        page.set_default_timeout(240_000)
        page.goto(address)
        page.get_by_label("Your name").fill("Ann")
        begin = page.evaluate("performance.now()")
        page.get_by_role("button", name="Start").click()
        page.locator(".line[aria-current]").wait_for()
        print(f"{LINES} lines: open after {page.evaluate('performance.now()') - begin:.0f} ms")
        page.locator(".line .time").first.focus()
        labels = [page.evaluate(KEY, str(1 + i % 7)) for i in range(TRIES)]
        print(f"label by key, on screen: {describe([screen for screen, _ in labels])}")
        print(f"label by key, on disk:   {describe([disk for _, disk in labels])}")
        moves = [page.evaluate(KEY, "ArrowDown")[0] for _ in range(TRIES)]
        print(f"next line by key:        {describe(moves)}")
        print(f"scrolling:               {describe(page.evaluate(SCROLL, TRIES))}")
        chromium.close()


if __name__ == "__main__":
    main()
