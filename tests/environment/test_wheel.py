"""The wheel contains the same files as the checkout; test_network runs every command from it."""

import os
import subprocess

from built_wheel import read_files, tracked_files


def test_wheel_contains_the_files_of_the_checkout(wheel):
    packed, files = read_files(wheel), tracked_files()
    assert packed.keys() == files.keys()
    assert [name for name in files if packed[name] != files[name]] == []


def test_installed_program_comes_from_the_wheel(installed):
    show = "import mmerc, sys; print(mmerc.__file__.startswith(sys.prefix), mmerc.__version__)"
    for command in ([installed, "-c", show], [installed, "-m", "mmerc", "--version"]):
        variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, check=True, env=variables)
        first, version = done.stdout.split()
        assert first in {"True", "mmerc"}
        assert version[0].isdigit()
