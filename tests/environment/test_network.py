"""No command opens a connection, asks a name server or writes to the home folder."""

import re
import shutil

import pytest

from conftest import COMMANDS

TRACE = ("strace", "-f", "-qq", "--seccomp-bpf", "-e", "trace=%network", "-o")
ADDRESS = re.compile(r'sin6?_port=htons\((\d+)\).*?"([0-9a-fA-F.:]+)"')
CALL = re.compile(r"\b(connect|sendto|sendmsg|sendmmsg)\(")
LOOPBACK = re.compile(r"127\.|::1$|::ffff:127\.")
NAME_SERVER = "53"


def strangers(trace):
    """Addresses outside this machine, and name servers, that a traced program called."""
    lines = [line for line in trace.read_text().splitlines() if CALL.search(line)]
    called = {match.groups() for line in lines for match in ADDRESS.finditer(line)}
    resolved = [line for line in lines if "io.systemd.Resolve" in line]
    return resolved + [
        f"{address} port {port}"
        for port, address in called
        if port == NAME_SERVER or not LOOPBACK.match(address)
    ]


@pytest.fixture
def home(tmp_path):
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_keeps_to_this_machine(name, inputs, home, start, tmp_path):
    traced = (*TRACE, tmp_path / "trace") if shutil.which("strace") else ()
    done = start((*traced, *inputs.command(name)), HOME=home)
    assert done.returncode == 0, done.stderr
    assert {path.relative_to(home).parts[:2] for path in home.rglob("*")} <= {
        (".cache",), (".cache", "mmerc"),
    }  # fmt: skip
    if not traced:
        pytest.skip("strace is not installed (apt install strace)")
    assert strangers(tmp_path / "trace") == []
