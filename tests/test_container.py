"""The Dockerfile, checked without building it (docs/deploy.md)."""

import json
import re
from pathlib import Path

import typer
import yaml

from mmerc.cli.app import app

ROOT = Path(__file__).parents[1]
LINES = (ROOT / "Dockerfile").read_text().replace("\\\n", " ").splitlines()


def instructions(name):
    return [line.removeprefix(f"{name} ").strip() for line in LINES if line.startswith(f"{name} ")]


def test_torch_version_matches_the_constraints():
    (version,) = re.findall(r"torch==([\d.]+)\+cpu", "\n".join(LINES))
    assert f"torch=={version}" in (ROOT / "constraints.txt").read_text().splitlines()


def test_copied_files_exist_and_are_not_ignored():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    copied = [part for line in instructions("COPY") for part in line.split()[:-1]]
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in ignored, name


def test_container_runs_as_an_unprivileged_user():
    (command,) = instructions("CMD")
    program, name, *options = json.loads(command)
    assert program == "mmerc"
    serve = typer.main.get_command(app).commands[name]
    assert serve.make_context(name, options).params["host"] == "0.0.0.0"
    (user,) = instructions("USER")
    assert user.isdecimal() and int(user) > 0  # runAsNonRoot cannot check a name
    assert any(f"useradd --create-home --uid {user} " in line for line in instructions("RUN"))
    assert LINES.index(f"USER {user}") < LINES.index(f"CMD {command}")


def test_health_check_uses_an_existing_route():
    (check,) = instructions("HEALTHCHECK")
    assert "http://127.0.0.1:8000/health" in check
    serve = typer.main.get_command(app).commands["serve"]
    assert serve.make_context("serve", []).params["port"] == 8000
    assert '"/health"' in (ROOT / "src/mmerc/serving/routes.py").read_text()
    compile(re.search(r'"-c", "(.*)"\]', check)[1], "healthcheck", "exec")


def test_compose_file_refers_to_existing_files():
    composed = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())
    services = composed["services"]
    assert set(services) == {"proxy", "server", "worker", "database"}
    assert services["worker"]["deploy"]["replicas"] == 2
    for service in (services["server"], services["worker"]):
        program, name, *options = service["command"]
        command = typer.main.get_command(app).commands[name]
        folder = command.make_context(name, list(options)).params["jobs_folder"]
        assert f"jobs:{folder}" in service["volumes"]
        assert service["environment"]["MMERC_JOBS_DATABASE"].startswith("postgresql://")
        variables = {parameter.envvar for parameter in command.params}
        assert program == "mmerc" and "MMERC_JOBS_DATABASE" in variables
    assert set(composed["volumes"]) == {"jobs", "database"}
    (address,) = re.findall(r"http://127.0.0.1:8000(/\w+)", str(services["server"]["healthcheck"]))
    assert f'"{address}"' in (ROOT / "src/mmerc/serving/routes.py").read_text()
    for mount in services["proxy"]["volumes"]:
        assert (ROOT / "deploy" / mount.split(":")[0]).is_file()
    assert "proxy_pass http://server:8000;" in (ROOT / "deploy/nginx.conf").read_text()
    assert "mkdir jobs" in instructions("RUN")  # a mounted volume gets its owner
