"""A user without a home folder, a passwd entry or a cache, as in many containers."""

import os
import shutil
import signal
import subprocess
from contextlib import contextmanager

import pytest
from every_command import environment, wait_until

from ports import free_port
from program import PATIENCE, programs

NOBODY = 12345  # has no passwd entry
# That user's rights plus reading everything: the interpreter may be in a private home folder.
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
)  # fmt: skip
USE_CACHE = {"train", "reproduce"}


@pytest.fixture(scope="module")
def nobody():
    """Programs of another user, without a home folder."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can run a command as another user")
    probe = subprocess.run([*AS_NOBODY, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no command can be run as another user here ({probe.stderr.strip()})")
    with programs(within=AS_NOBODY, environment=environment(), libraries="few") as started:
        yield started


@pytest.fixture
def own(inputs):
    """Inputs owned by that user."""
    for path in (inputs.out.parent, *inputs.out.parent.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    return inputs


def cache_remarks(stderr):
    return [line for line in stderr.splitlines() if "MMERC_CACHE" in line]


@pytest.mark.parametrize("name", ["analyze", "extract", "train", "reproduce", "predict", "export"])
def test_commands_need_no_home_folder(name, nobody, own):
    done = nobody.run(*own.arguments(name))
    assert done.returncode == 0, done.stderr
    assert len(cache_remarks(done.stderr)) == (name in USE_CACHE), done.stderr


def test_service_needs_no_home_folder(nobody, own):
    requests = pytest.importorskip("requests")
    pytest.importorskip("fastapi")
    port, log = free_port(), own.out / "log"
    log.touch(mode=0o666)
    os.chown(log, NOBODY, NOBODY)
    server = nobody.start(*own.arguments("serve"), "--port", port, stderr=log)
    url = f"http://127.0.0.1:{port}"
    utterance = {"id": "1", "speaker": "a", "text": "so glad"}
    request = {"conversations": [{"id": "talk", "utterances": [utterance]}]}
    try:
        wait_until(lambda: requests.get(f"{url}/health", timeout=PATIENCE).ok)
        answer = requests.post(f"{url}/v1/predict", json=request, timeout=PATIENCE)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()
    assert answer.ok, answer.text
    assert len(cache_remarks(log.read_text())) == 1, log.read_text()


def test_training_needs_no_writable_cache(nobody, own):
    cache = own.out.parent / "cache"
    cache.mkdir()  # root's
    variables = environment(HOME="/nonexistent", MMERC_CACHE=cache)
    done = nobody.run(*own.arguments("train"), environment=variables)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"The cache {cache} cannot be written (permission denied)") == 1
    assert (own.out / "run" / "result.json").is_file()


@contextmanager
def mounted(folder, options):
    """A small disk in memory."""
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_training_succeeds_with_a_full_cache(own, nobody):
    cache = own.out.parent / "cache"
    with mounted(cache, "size=16k,mode=777"):
        done = nobody.run(*own.arguments("train"), environment=environment(MMERC_CACHE=cache))
        assert list((cache / "runs").glob("*")) == []
    assert done.returncode == 0, done.stderr
    (remark,) = cache_remarks(done.stderr)
    assert "no space left on device" in remark
    assert (own.out / "run" / "result.json").is_file()


@pytest.mark.parametrize("name", ["analyze", "train", "predict"])
def test_home_folder_can_be_read_only(name, own, nobody):
    home = own.out.parent / "home"
    with mounted(home, "ro,size=16k,mode=777"):
        done = nobody.run(*own.arguments(name), environment=environment(HOME=home))
    assert done.returncode == 0, done.stderr
    assert len(cache_remarks(done.stderr)) == (name in USE_CACHE), done.stderr
    assert done.stderr.count("read-only file system") == (name in USE_CACHE)
