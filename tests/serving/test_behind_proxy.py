"""The service behind a proxy that serves it under a path prefix."""

import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
from server_process import PATIENCE, serving, until

from mmerc.errors import UsageError
from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.serving.openapi_examples import _REQUEST
from mmerc.serving.settings import normalise_root_path
from ports import free_port

PREFIX = "/tools/mmerc"
NGINX = """
daemon off; master_process off; error_log stderr; pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off; client_max_body_size 0;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port};
    location {prefix}/ {{
      proxy_pass http://127.0.0.1:{upstream}/;
      proxy_set_header Host $http_host;
    }}
  }}
}}
"""


def proxy_command(kind, port, upstream, folder):
    if kind != "nginx":
        script = Path(__file__).with_name("prefix_proxy.py")
        return [sys.executable, script, port, upstream, PREFIX, kind]
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    settings = folder / "nginx.conf"
    values = {"folder": folder, "port": port, "upstream": upstream, "prefix": PREFIX}
    settings.write_text(NGINX.format(**values))
    return [nginx, "-c", settings, "-p", folder]


def answers(url):
    try:
        return requests.get(f"{url}/health", timeout=PATIENCE).ok
    except requests.ConnectionError:
        return False


@pytest.fixture(scope="module", params=["without --root-path", "with --root-path"])
def behind(request, tmp_path_factory, model, program):
    """A server to put behind a proxy."""
    folder = tmp_path_factory.mktemp("behind") / "jobs"
    known = request.param.startswith("with ")
    options = ["--root-path", PREFIX] if known else []
    with serving(program, folder, model, *options) as server:
        server.knows_prefix = known
        yield server


@pytest.fixture(params=["strip", "keep", "nginx"])
def proxied(request, behind, tmp_path):
    """The URL of the server behind a proxy; one proxy keeps the prefix."""
    if request.param == "keep" and not behind.knows_prefix:
        pytest.skip("a prefix that is not removed must be known to the server")
    port = free_port()
    command = proxy_command(request.param, port, behind.port, tmp_path)
    process = subprocess.Popen(list(map(str, command)))
    try:
        url = f"http://127.0.0.1:{port}{PREFIX}"
        until(lambda: answers(url))
        yield url
    finally:
        process.kill()
        process.wait()


def ask(method, url, **options):
    return requests.request(method, url, timeout=PATIENCE, **options)


def test_urls_in_api_answers_include_the_proxy_prefix(proxied, behind):
    files = {"recording": ("talk.mp4", b"no film")}
    answer = ask("POST", f"{proxied}/v1/jobs", files=files)
    assert answer.status_code == 202
    address = answer.headers["Location"]
    prefix = PREFIX if behind.knows_prefix else ""
    assert address == f"{prefix}/v1/jobs/{answer.json()['id']}"
    if behind.knows_prefix:
        origin = proxied.removesuffix(PREFIX)
        assert ask("GET", origin + address).json()["name"] == "talk.mp4"
        described = ask("GET", f"{proxied}/openapi.json").json()
        assert described["servers"] == [{"url": PREFIX}]
    assert ask("DELETE", f"{proxied}/v1/jobs/{answer.json()['id']}").status_code == 204


def test_cross_site_requests_are_refused_behind_a_proxy(proxied):
    parts = urlsplit(proxied)
    for origin, status in [
        (f"{parts.scheme}://{parts.netloc}", 200),
        (f"http://127.0.0.1:{parts.port + 1}", 403),
        ("http://elsewhere.example", 403),
        ("null", 403),
    ]:
        headers = {"Origin": origin}
        answer = ask("POST", f"{proxied}/v1/predict", json=_REQUEST, headers=headers)
        assert (origin, answer.status_code) == (origin, status)
    assert ask("GET", f"{proxied}/v1/about", headers={"Host": "elsewhere"}).status_code == 400


def test_page_works_under_the_prefix(proxied, behind, new_page, film, subtitles):
    """Upload, timeline, recording and downloads, all below the prefix."""
    page = new_page(patience=1000 * PATIENCE)
    page.goto(f"{proxied}/")
    page.get_by_role("button", name="Analyse").wait_for()  # the script has emptied the form
    page.get_by_label("Film or sound file").set_input_files(film)
    page.get_by_label("Subtitles").set_input_files(subtitles)
    page.get_by_role("button", name="Analyse").click()
    page.get_by_role("link", name="Open the timeline").wait_for()
    address = page.url
    job = address.split("#")[1]
    links = page.locator("#downloads a").evaluate_all("links => links.map(link => link.href)")
    expected = [f"{proxied}/v1/jobs/{job}/files/{name}" for name in ANALYSIS_FORMATS]
    assert links == expected[1:]
    for link, form in zip(expected, ANALYSIS_FORMATS.values(), strict=True):
        answer = ask("GET", link)
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, form.media_type)
    described = ask("GET", f"{proxied}/v1/jobs/{job}").json()["files"]
    prefix = PREFIX if behind.knows_prefix else ""
    assert described["html"] == f"{prefix}/v1/jobs/{job}/files/html"
    recording = f"{proxied}/v1/jobs/{job}/files/{film.name}"
    with page.expect_request(lambda request: request.url == recording):
        page.get_by_role("link", name="Open the timeline").click()
        page.locator("#rows tr").nth(1).wait_for()
    page.goto(address)
    page.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Analyse").wait_for()
    assert all(url.startswith((f"{proxied}/", "data:")) for url in page.requested_urls)
    assert page.error_messages == []


def test_key_cookie_is_limited_to_the_prefix(served):
    server = served("--root-path", "tools/mmerc/", MMERC_API_KEY="open sesame")
    for path in ("/session", f"{PREFIX}/session"):
        answer = server.ask("POST", path, json={"key": "open sesame"})
        assert f"Path={PREFIX};" in answer.headers["Set-Cookie"]
    moved = server.ask("GET", PREFIX, allow_redirects=False)
    assert urlsplit(moved.headers["Location"]).path == f"{PREFIX}/"
    assert "Film or sound file" in server.ask("GET", f"{PREFIX}/").text


@pytest.mark.parametrize(
    ("value", "expected"),
    [("", ""), ("/", ""), ("mmerc", "/mmerc"), ("/mmerc/", "/mmerc"), ("/a/b-1", "/a/b-1")],
)
def test_valid_prefixes(value, expected):
    assert normalise_root_path(value) == expected


@pytest.mark.parametrize("value", ["http://x/mmerc", "/a//b", "/a b", "/a?b", "/é"])
def test_invalid_prefixes_are_refused(value):
    with pytest.raises(UsageError, match="is not a path prefix"):
        normalise_root_path(value)
