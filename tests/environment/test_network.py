"""No command opens a connection, asks a name server or writes to the home folder."""

import re
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from conftest import COMMANDS, PATIENCE, environment, free_port

TRACE = ("strace", "-f", "-qq", "-yy", "--seccomp-bpf", "-e", "trace=%network", "-o")
CONNECTED = re.compile(r'connect\(\d+<TCP.*?htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
SENT = re.compile(
    r"send(?:to|msg|mmsg)\(\d+<(?:TCP|UDP)(?:v6)?:\[.*->\[?([0-9a-fA-F.:]+?)\]?:(\d+)\]>"
)
SENT_TO = re.compile(r'send(?:to|msg|mmsg)\(\d+<UDP.*?htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
CLOUD_METADATA = "169.254.169.254"  # Ray asks it, and a name server for Google's
NAME_SERVER = "53"


def own_addresses():
    """The addresses of this machine."""
    table = Path("/proc/net/fib_trie").read_text()
    return set(re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", table)) | {"::1"}


def strangers(trace):
    """Addresses outside this machine, and name servers, that a traced program called."""
    called = set()
    for line in trace.read_text().splitlines():
        called |= {(m[2], m[1]) for m in (*CONNECTED.finditer(line), *SENT_TO.finditer(line))}
        called |= {m.groups() for m in SENT.finditer(line)}
        if "io.systemd.Resolve" in line:
            called.add(("systemd-resolved", NAME_SERVER))
    own = own_addresses()
    return {
        f"{address} port {port}"
        for address, port in called
        if port == NAME_SERVER or address.removeprefix("::ffff:") not in own
    }


def others_in(home):
    """What is in a home folder beside mmerc's own cache."""
    return {
        str(path)
        for path in (file.relative_to(home) for file in home.rglob("*"))
        if path.parts[:2] not in {(".cache",), (".cache", "mmerc")}
    }


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def trace(tmp_path):
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt install strace)")
    return tmp_path / "trace"


CALLS = """
import socket
with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp, socket.socket() as own:
    tcp.setblocking(False)
    tcp.connect_ex(("192.0.2.77", 443))
    udp.connect(("192.0.2.78", 53))
    udp.send(b"?")
    udp.connect(("192.0.2.79", 53))  # sends nothing
    udp.sendto(b"?", ("192.0.2.80", 99))
    own.connect_ex(("127.0.0.1", 9))
"""


def test_a_trace_shows_every_stranger(start, trace):
    assert start((*TRACE, trace, sys.executable, "-c", CALLS)).returncode == 0
    called = {"192.0.2.77 port 443", "192.0.2.78 port 53", "192.0.2.80 port 99"}
    assert strangers(trace) == called


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_keeps_to_this_machine(name, inputs, home, start, trace):
    done = start((*TRACE, trace, *inputs.command(name)), HOME=home)
    assert done.returncode == 0, done.stderr
    assert others_in(home) == set()
    assert strangers(trace) == set()


def test_ray_asks_for_the_cloud_alone(inputs, home, start, trace):
    pytest.importorskip("ray")
    command = (*inputs.command("extract"), "--engine", "ray")
    done = start((*TRACE, trace, *command), HOME=home)
    assert done.returncode == 0, done.stderr
    assert others_in(home) == set()
    called = strangers(trace)
    assert {line for line in called if not line.endswith(" port 53")} <= {
        f"{CLOUD_METADATA} port 80"
    }
    asked = [
        line for line in trace.read_text().splitlines() if SENT.search(line) and ":53]>" in line
    ]
    assert all("metadata" in line and "google" in line for line in asked)


def test_the_service_keeps_to_this_machine(inputs, home, trace):
    requests = pytest.importorskip("requests")
    pytest.importorskip("fastapi")
    port = free_port()
    command = (*TRACE, trace, *inputs.command("serve"), "--port", port)
    url = f"http://127.0.0.1:{port}"
    process = subprocess.Popen([*map(str, command)], env=environment(HOME=str(home)), cwd="/")
    try:
        wait_until(lambda: requests.get(f"{url}/health", timeout=PATIENCE).ok)
        files = {"recording": ("scene.mp4", (inputs.folder / "scene.mp4").read_bytes())}
        job = requests.post(f"{url}/v1/jobs", files=files, timeout=PATIENCE).json()["id"]
        address = f"{url}/v1/jobs/{job}"
        wait_until(lambda: requests.get(address, timeout=PATIENCE).json()["state"] == "done")
    finally:
        stop_child(process)
    assert others_in(home) == set()
    assert strangers(trace) == set()


def wait_until(condition):
    """Ask again until it is so."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(OSError):
            if condition():
                return
        time.sleep(0.2)
    raise AssertionError("it never came true")


def stop_child(process):
    """Stop the traced program as a service manager does, and wait for its tracer."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        with suppress(ProcessLookupError):
            subprocess.run(["kill", f"-{signal.SIGTERM.value}", child], check=False)
    try:
        process.wait(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
