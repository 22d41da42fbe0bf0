"""No command of the wheel opens a connection, resolves a name or writes to the home folder."""

import re
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from every_command import COMMANDS, environment, wait_until

from ports import free_port
from program import PATIENCE, Programs, programs

TRACE = ("strace", "-f", "-qq", "-yy", "--seccomp-bpf", "-e", "trace=%network", "-o")
CONNECTED = re.compile(r'connect\(\d+<TCP.*?htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
SENT = re.compile(
    r"send(?:to|msg|mmsg)\(\d+<(?:TCP|UDP)(?:v6)?:\[.*->\[?([0-9a-fA-F.:]+?)\]?:(\d+)\]>"
)
SENT_TO = re.compile(r'send(?:to|msg|mmsg)\(\d+<UDP.*?htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
UNFINISHED, RESUMED = " <unfinished ...>", re.compile(r"\d+ +<\.\.\. \w+ resumed>")
CLOUD_METADATA = "169.254.169.254"  # Ray queries it, and a name server for Google's
NAME_SERVER = "53"


def own_addresses():
    """The addresses of this machine."""
    table = Path("/proc/net/fib_trie").read_text()
    return set(re.findall(r"\|-- (\S+)\n\s+/32 host LOCAL", table)) | {"::1"}


def join_calls(lines):
    """Traced calls, joined if a call of another thread split them into two parts.

    The data of `sendmmsg` is in its second part.
    """
    begun = {}
    for line in lines:
        process = line.split(" ", 1)[0]
        if line.endswith(UNFINISHED):
            begun[process] = line.removesuffix(UNFINISHED)
        elif resumed := RESUMED.match(line):
            yield begun.pop(process, "") + line[resumed.end() :]
        else:
            yield line
    yield from begun.values()


def foreign_addresses(lines):
    """Addresses outside this machine, and name servers, contacted by a traced program."""
    called = set()
    for line in lines:
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


def unexpected_files(home):
    """Contents of a home folder except mmerc's own cache."""
    return {
        str(path)
        for path in (file.relative_to(home) for file in home.rglob("*"))
        if path.parts[:2] not in {(".cache",), (".cache", "mmerc")}
    }


def start_trace(path):
    """The command prefix that traces another command."""
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed (apt install strace)")
    return (*TRACE, path)


@dataclass
class Traced:
    """Programs forked from a process traced from its first import, and their home folder."""

    programs: Programs
    trace: Path
    home: Path
    checked: int = 0

    @contextmanager
    def isolated(self, *, allowed=lambda lines: set()):
        """Check that the block contacts no foreign address and leaves the home folder empty."""
        yield
        trace = self.trace.read_bytes()
        lines = [*join_calls(trace[self.checked :].decode(errors="replace").splitlines())]
        self.checked = len(trace)
        assert unexpected_files(self.home) == set()
        assert foreign_addresses(lines) <= allowed(lines)


@pytest.fixture(scope="module")
def traced(folder, installed):
    home, trace = folder / "home", folder / "trace"
    home.mkdir()
    within = start_trace(trace)
    variables = environment(HOME=home)
    variables.pop("PYTHONPATH", None)  # not the checkout
    settings = {"python": installed, "environment": variables, "libraries": "few"}
    with programs(within=within, **settings) as started:
        yield Traced(started, trace, home)


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


def test_trace_shows_every_foreign_address(tmp_path):
    trace = tmp_path / "trace"
    command = [*start_trace(trace), sys.executable, "-c", CALLS]
    subprocess.run([*map(str, command)], check=True)
    called = {"192.0.2.77 port 443", "192.0.2.78 port 53", "192.0.2.80 port 99"}
    assert foreign_addresses(trace.read_text().splitlines()) == called


def test_split_system_calls_are_joined():
    lines = [
        "10 sendmmsg(5<UDP:[10.0.0.1:9->10.0.0.2:53]>,  <unfinished ...>",
        '11 connect(6<TCP:[1]>, {sin_port=htons(80), "192.0.2.7"}, 16) = 0',
        '10 <... sendmmsg resumed>[{"\\10metadata\\6google"}], 2, 0) = 2',
        "12 recvfrom(7,  <unfinished ...>",
    ]
    assert [*join_calls(lines)] == [
        lines[1],
        '10 sendmmsg(5<UDP:[10.0.0.1:9->10.0.0.2:53]>, [{"\\10metadata\\6google"}], 2, 0) = 2',
        "12 recvfrom(7, ",
    ]


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_contact_only_this_machine(name, inputs, traced):
    with traced.isolated():
        done = traced.programs.run(*inputs.arguments(name))
        assert done.returncode == 0, done.stderr


def test_ray_contacts_only_cloud_metadata(inputs, traced):
    pytest.importorskip("ray")

    def allowed(lines):
        asked = [line for line in lines if SENT.search(line) and ":53]>" in line]
        assert all("metadata" in line and "google" in line for line in asked)
        names = {line for line in foreign_addresses(lines) if line.endswith(f" port {NAME_SERVER}")}
        return names | {f"{CLOUD_METADATA} port 80"}

    command = ["1" if word == "2" else word for word in inputs.arguments("extract")]
    with traced.isolated(allowed=allowed):
        done = traced.programs.run(*command, "--engine", "ray")
        assert done.returncode == 0, done.stderr


def test_service_contacts_only_this_machine(inputs, traced):
    requests = pytest.importorskip("requests")
    pytest.importorskip("fastapi")
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with traced.isolated():
        server = traced.programs.start(*inputs.arguments("serve"), "--port", port)
        try:
            wait_until(lambda: requests.get(f"{url}/health", timeout=PATIENCE).ok)
            files = {"recording": ("scene.mp4", (inputs.folder / "scene.mp4").read_bytes())}
            job = requests.post(f"{url}/v1/jobs", files=files, timeout=PATIENCE).json()["id"]
            address = f"{url}/v1/jobs/{job}"
            wait_until(lambda: requests.get(address, timeout=PATIENCE).json()["state"] == "done")
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
