"""Telemetry of dependencies is off whenever mmerc is imported."""

import os
import subprocess
import sys

import pytest

from mmerc.privacy import _OPT_OUTS

SHOW = f"import mmerc, os; print([os.environ[name] for name in {list(_OPT_OUTS)}])"


@pytest.mark.parametrize(
    ("environment", "values"),
    [({}, list(_OPT_OUTS.values())), ({"RAY_USAGE_STATS_ENABLED": "1"}, ["1", "1", "1", "0"])],
)
def test_importing_mmerc_opts_out_of_telemetry_by_default(environment, values):
    command = [sys.executable, "-c", SHOW]
    environment = {"PYTHONPATH": os.environ.get("PYTHONPATH", ""), **environment}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert run.stdout.strip() == str(values)
