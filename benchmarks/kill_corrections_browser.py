"""Kill the browser or the server of the correction page: are all accepted corrections stored?

A simulated rater labels lines by keyboard in Chromium, as fast as possible. At random moments the
browser or the server is killed with SIGKILL. A correction counts as accepted when the page has
received the server's answer.

python benchmarks/kill_corrections_browser.py [KILLS]
"""

import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

from kill_corrections import LINES, LONGEST, invent_analysis, start
from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.inference.results import write_results

KILLS = int(sys.argv[1]) if len(sys.argv) > 1 else 20


def find_browser(profile):
    """Find the main process of the browser."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (folder / "cmdline").read_text().split("\0")
        except OSError:
            continue
        own = f"--user-data-dir={profile}" in arguments
        if own and not any(argument.startswith("--type=") for argument in arguments):
            return int(folder.name)
    raise SystemExit("the browser has no process")


def label_until_killed(playwright, address, generator, victim):
    """Label lines until the browser or the server is killed; return the accepted keys."""
    accepted = set()

    def note(answer):
        request = answer.request
        if request.method == "POST" and answer.url.endswith("/corrections") and answer.ok:
            accepted.add(json.loads(request.post_data)["key"])

    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        page = context.new_page()
        page.on("response", note)
        page.goto(address)
        page.get_by_label("Your name").fill("Ann")
        page.get_by_role("button", name="Start").click()
        page.locator(".line[aria-current]").wait_for()
        if victim is None:
            victim = find_browser(profile)
        delay = generator.uniform(0.1, LONGEST)
        threading.Timer(delay, os.kill, (victim, signal.SIGKILL)).start()
        try:
            for _ in range(int(20 * LONGEST)):
                page.keyboard.press(str(generator.randint(1, 7)))
                page.wait_for_timeout(50)
            context.close()
        except Error:  # the browser was killed
            pass
    return accepted


def main():
    generator = random.Random(2)
    accepted, lost = set(), 0
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        analysis = invent_analysis(LINES)
        write_results(analysis, folder, stem="talk")
        for number in range(KILLS):
            process, url = start(folder)
            address = url.removesuffix("/corrections") + "/correct"
            victim = process.pid if number % 2 else None  # every other time, the server
            accepted |= label_until_killed(playwright, address, generator, victim)
            process.kill()
            process.join()
            log = CorrectionLog(Path(folder) / "talk.corrections.sqlite", analysis)
            lost += len(accepted - set(log._keys))
    print(f"{KILLS} kills, {len(accepted)} accepted corrections, {lost} lost")


if __name__ == "__main__":
    main()
