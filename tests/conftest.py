"""Settings of every test, and fixtures for programs, pages and full disks."""

import os

os.environ["HF_HUB_OFFLINE"] = "1"  # a Hub call without a network takes most of a minute to fail
os.environ["OMP_NUM_THREADS"] = "1"
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # so that programs compile our modules once

import gc
import itertools
import shutil
import subprocess
from urllib.parse import urlsplit

import pytest
from hypothesis import settings

from program import programs
from spare_fork_server import import_slow_libraries, offer_fork_server

# Every run uses the same examples, so that a failure points to the change that caused it.
settings.register_profile("same", derandomize=True)
settings.load_profile("same")

if "PYTEST_XDIST_WORKER" in os.environ:  # runs many files whose workers share the imports
    import_slow_libraries(all_of_them=True)
    offer_fork_server()

SLOW_FIRST = (
    "environment", "docs", "serving", "test_contracts.py", "test_docs.py", "cli", "training",
    "experiments", "test_page_in_browser.py", "test_processes.py", "test_plugin_example.py",
    "studies", "live", "executors", "inference",
)  # fmt: skip


def pytest_configure(config):
    """Load the fixtures that need slow libraries, except where tests are only distributed."""
    if config.getoption("dist", "no") == "no":
        config.pluginmanager.import_plugin("small_models")


def pytest_collection_finish():
    """Exclude the modules of all tests from garbage collection, in tests and forks."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items):
    """Run slow files first, so that no worker is left with one at the end."""

    def rank(item):
        return min(
            (n for n, part in enumerate(SLOW_FIRST) if part in item.path.parts),
            default=len(SLOW_FIRST),
        )

    items.sort(key=rank)


@pytest.fixture(scope="session")
def caches(tmp_path_factory):
    """Names of folders that do not exist yet, one after another."""
    folder = tmp_path_factory.mktemp("caches")
    return (str(folder / str(number)) for number in itertools.count())


@pytest.fixture(autouse=True)
def own_cache(caches, monkeypatch):
    """Give every test its own cache of trainings."""
    monkeypatch.setenv("MMERC_CACHE", next(caches))


@pytest.fixture(scope="session")
def program():
    """Starts the program in separate processes (``Programs``)."""
    with programs() as started:
        yield started


@pytest.fixture(scope="module")
def browser():
    """Debian's chromium, driven by Playwright."""
    interface = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("there is no chromium to open the page with")
    with interface.sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"], timeout=240_000
        )
        yield started
        started.close()


def record_page(page):
    """Record the requests and errors of a page."""
    page.requested_urls, page.error_messages, page.ignored = [], [], ()
    page.on("request", lambda request: page.requested_urls.append(request.url))
    page.on("pageerror", lambda error: page.error_messages.append(str(error)))
    page.on("console", lambda m: m.type in page.ignored or page.error_messages.append(m.text))
    return page


VIEWPORT = {"width": 1280, "height": 800}


@pytest.fixture(scope="module")
def unused_contexts():
    """Empty browser contexts of earlier tests; a new one takes a second of processor time."""
    return []


@pytest.fixture
def new_page(browser, unused_contexts):
    """A function that opens a tab in an empty context; its requests and errors are recorded.

    Its timeout is ``patience`` milliseconds. Messages of the types ``ignored`` are not errors.
    """
    pages = []

    def open_tab(*, patience, ignored=(), viewport=VIEWPORT, **media):
        context = (
            unused_contexts.pop() if unused_contexts else browser.new_context(viewport=VIEWPORT)
        )
        context.set_default_timeout(patience)
        pages.append(record_page(context.new_page()))
        pages[-1].ignored = ignored
        pages[-1].set_viewport_size(viewport)
        pages[-1].emulate_media(**media)
        return pages[-1]

    yield open_tab
    for page in pages:
        empty_context(page)
        unused_contexts.append(page.context)


def empty_context(page):
    """Delete all that the sites of a tab have stored, and close all tabs of its context."""
    addresses = [urlsplit(url) for url in page.requested_urls]
    open_tab = page.context.new_page() if page.is_closed() else page
    session = page.context.new_cdp_session(open_tab)
    for origin in {f"{url.scheme}://{url.netloc}" for url in addresses if url.netloc}:
        session.send("Storage.clearDataForOrigin", {"origin": origin, "storageTypes": "all"})
    for tab in page.context.pages:
        tab.close()


@pytest.fixture(scope="module")
def shared_page(browser):
    """A tab shared by all tests of a module; a new one takes half a second of processor time."""
    return record_page(browser.new_page(viewport=VIEWPORT))


@pytest.fixture
def reset_page(shared_page):
    """The shared tab, empty and with its initial width."""
    shared_page.goto("about:blank")
    shared_page.set_viewport_size(VIEWPORT)
    shared_page.emulate_media(media="null")
    shared_page.requested_urls.clear()
    shared_page.error_messages.clear()
    return shared_page


@pytest.fixture
def disk(tmp_path):
    """Folder on an 8 MiB disk in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount to make a small disk with")
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here ({done.stderr.strip()})")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)  # a failed run's log is still open


@pytest.fixture
def set_free_space(disk):
    """A function that fills the disk except for some bytes; without an argument, it empties it."""
    ballast = disk / "ballast"

    def call(free=None):
        ballast.unlink(missing_ok=True)
        if free is not None:
            state = os.statvfs(disk)
            ballast.write_bytes(bytes(state.f_bavail * state.f_frsize - free))

    return call
