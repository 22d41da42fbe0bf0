"""Help of the program: summaries, headings, option names, and no unnecessary imports."""

import os
import subprocess
import sys

import pytest
import typer

from mmerc.cli.app import app
from mmerc.cli.options import _HEADINGS, _RENAMED_OPTIONS, _replace_renamed

PROGRAM = typer.main.get_command(app)
HEAVY = ("torch", "transformers", "numpy", "pyarrow", "pydantic", "sklearn", "matplotlib")


def each_command(group=PROGRAM, words=()):
    for name, command in group.commands.items():
        yield (*words, name), command
        if hasattr(command, "commands"):
            yield from each_command(command, (*words, name))


COMMANDS = [pytest.param(words, command, id=" ".join(words)) for words, command in each_command()]


@pytest.fixture(scope="module")
def program_help():
    """The help of the real program on an 80-column terminal."""
    return subprocess.run(
        [sys.executable, "-m", "mmerc", "--help"],
        capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "80"},
    ).stdout  # fmt: skip


def sections(text):
    """Lines below each heading."""
    heading, lines = "", {}
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            heading = line.removesuffix(":")
        elif line.strip():
            lines.setdefault(heading, []).append(line)
    return lines


def test_every_command_has_one_heading(program_help):
    actual = sections(program_help)
    assert list(actual)[-len(_HEADINGS) :] == list(_HEADINGS)
    names = [line.split()[0] for heading in _HEADINGS for line in actual[heading] if line[2] != "`"]
    assert sorted(names) == sorted(PROGRAM.commands)


def test_summaries_fit_80_columns(program_help):
    actual = sections(program_help)
    for line in (line for heading in _HEADINGS for line in actual[heading] if line[2] != "`"):
        _, summary = line.split(maxsplit=1)
        assert len(line) <= 80
        assert summary.endswith(".") and not summary.endswith("..."), line


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_summary_has_at_most_45_characters(words, command):
    summary = command.get_short_help_str(1000)
    assert summary.endswith(".")
    assert len(summary.removesuffix(".")) <= 45


@pytest.mark.parametrize(("words", "command"), COMMANDS)
def test_every_option_and_argument_is_explained(words, command):
    for item in command.params:
        if not getattr(item, "hidden", False):
            assert item.help, item.name
            assert item.help.endswith((".", ")")), item.help


@pytest.mark.parametrize(
    ("command", "old", "new"),
    [(command, *pair) for command, names in _RENAMED_OPTIONS.items() for pair in names.items()],
)
def test_old_option_names_map_to_existing_ones(command, old, new):
    options = {name for item in PROGRAM.commands[command].params for name in item.opts}
    assert new in options
    assert old not in options


def test_old_option_name_works_with_a_notice(mmerc, tmp_path):
    outcome = mmerc("extract", tmp_path / "none.mp4", "--visual", "denseface")
    assert outcome.code == 2
    notice, error = outcome.err.splitlines()
    assert notice == "note: --visual is now called --video; use the new name."
    assert "neither a prepared corpus nor a recording" in error


def test_old_names_are_replaced_in_options_but_not_in_arguments(capsys):
    given = ["--old", "1", "--old=2", "--other", "--", "--old"]
    replaced = _replace_renamed(given, {"--old": "--new"})
    assert replaced == ["--new", "1", "--new=2", "--other", "--", "--old"]
    assert capsys.readouterr().err.count("note:") == 2


def test_help_loads_no_heavy_library():
    code = (
        "import sys\n"
        "sys.argv = ['mmerc', '--help']\n"
        "from mmerc.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_misspelt_command_suggests_the_nearest_one(mmerc):
    outcome = mmerc("trian")
    assert outcome.code == 2
    nearest = "'train', 'transfer', 'tries'"
    assert outcome.err == f"mmerc: No such command 'trian'. Did you mean {nearest}? See --help.\n"


def test_internal_error_is_labelled_as_such(mmerc, monkeypatch):
    monkeypatch.delenv("MMERC_DEBUG", raising=False)
    monkeypatch.setattr("mmerc.licences.all_components", lambda: 1 / 0)
    outcome = mmerc("licences")
    assert outcome.code == 1
    assert outcome.err.startswith("mmerc: internal error (ZeroDivisionError: division by zero); ")
    assert "MMERC_DEBUG=1" in outcome.err
