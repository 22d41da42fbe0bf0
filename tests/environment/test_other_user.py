"""A user without a home folder, a passwd entry or a cache, as in many containers."""

import os
import shutil
import subprocess

import pytest

NOBODY = 12345  # stands in no passwd
# That user's rights, but to read all: the interpreter may be in a home folder that is closed.
AS_NOBODY = (
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
    "--bounding-set=-all,+dac_read_search",
)  # fmt: skip
USE_CACHE = {"train", "reproduce"}


@pytest.fixture
def as_nobody(inputs):
    """The prefix of a command that runs as another user, to whom the inputs belong."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can run a command as another user")
    for path in (inputs.out.parent, *inputs.out.parent.rglob("*")):
        os.chown(path, NOBODY, NOBODY)
    probe = subprocess.run([*AS_NOBODY, "true"], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"no command can be run as another user here ({probe.stderr.strip()})")
    return AS_NOBODY


@pytest.mark.parametrize("name", ["analyze", "extract", "train", "reproduce"])
def test_a_command_needs_no_home(name, inputs, as_nobody, start):
    done = start((*as_nobody, *inputs.command(name)))
    assert done.returncode == 0, done.stderr
    remarks = [line for line in done.stderr.splitlines() if "MMERC_CACHE" in line]
    assert len(remarks) == (name in USE_CACHE), done.stderr


def test_a_training_needs_no_cache_that_can_be_written(inputs, as_nobody, start):
    cache = inputs.out.parent / "cache"
    cache.mkdir()  # root's
    done = start((*as_nobody, *inputs.command("train")), HOME="/nonexistent", MMERC_CACHE=cache)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(f"The cache {cache} cannot be written (permission denied)") == 1
    assert (inputs.out / "run" / "result.json").is_file()


def test_a_training_ends_well_although_the_cache_is_full(inputs, start):
    cache = inputs.out.parent / "cache"
    cache.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", cache]
    if os.getuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted here")
    try:
        done = start(inputs.command("train"), MMERC_CACHE=cache)
        assert list((cache / "runs").glob("*")) == []
    finally:
        subprocess.run(["umount", "--lazy", cache], check=True)
    assert done.returncode == 0, done.stderr
    (remark,) = [line for line in done.stderr.splitlines() if "MMERC_CACHE" in line]
    assert "no space left on device" in remark
    assert (inputs.out / "run" / "result.json").is_file()
