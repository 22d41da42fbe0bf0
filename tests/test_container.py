"""The Dockerfile, as far as it can be checked without Docker: it has not been built."""

import json
import re
from pathlib import Path

import typer

from mmerc.cli.app import app

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def instructions(name):
    return [line.removeprefix(f"{name} ").strip() for line in LINES if line.startswith(f"{name} ")]


def test_torch_is_the_one_of_the_constraints():
    (version,) = re.findall(r"torch==([\d.]+)\+cpu", "\n".join(LINES))
    assert f"torch=={version}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_what_is_copied_is_there_and_let_through():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = [part for line in instructions("COPY") for part in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name


def test_it_serves_as_a_user_without_rights():
    (command,) = instructions("CMD")
    program, name, *options = json.loads(command)
    assert program == "mmerc"
    serve = typer.main.get_command(app).commands[name]
    assert serve.make_context(name, options).params["host"] == "0.0.0.0"
    (user,) = instructions("USER")
    assert user.isdecimal() and int(user) > 0  # a name could be anybody's where it is checked
    assert any(f"useradd --create-home --uid {user} " in line for line in instructions("RUN"))
    assert LINES.index(f"USER {user}") < LINES.index(f"CMD {command}")


def test_its_health_is_a_route_of_the_service():
    (check,) = instructions("HEALTHCHECK")
    assert "http://127.0.0.1:8000/health" in check
    serve = typer.main.get_command(app).commands["serve"]
    assert serve.make_context("serve", []).params["port"] == 8000
    assert '"/health"' in (ROOT / "src/mmerc/serving/routes.py").read_text()
    compile(re.search(r'"-c", "(.*)"\]', check)[1], "healthcheck", "exec")
