"""The documents are correct: commands and options exist, examples give the output shown.

A block marked ``console`` is run: each line that starts with ``$ `` in a folder that contains
``examples``, and what it prints is compared with the lines below it, of which ``...`` stands for
anything. Every other ``mmerc`` command in a block is parsed by the program itself, and every one in
running text must exist with its options.
"""

import contextlib
import io
import re
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from mmerc.cli import main
from mmerc.cli.app import app
from mmerc.experiments.reproduction.catalogue import find_target
from mmerc.training.recipe_files import recipe_names

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for place in ("*.md", "docs/**/*.md", "examples/*.md", "src/**/*.md")
    for path in ROOT.glob(place)
    if path.name != "CHANGELOG.md"  # describes the past, not the present
)
FENCE = re.compile(r"^```([\w-]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`(mmerc [^`\n]+)`")
PROGRAM = typer.main.get_command(app)


@dataclass(frozen=True)
class Block:
    page: Path
    kind: str
    text: str

    @property
    def name(self):
        return f"{self.page.relative_to(ROOT)}: {self.text.splitlines()[0][:60]}"


def blocks(*kinds):
    actual = [
        Block(page, match[1], match[2])
        for page in PAGES
        for match in FENCE.finditer(page.read_text())
    ]
    return [block for block in actual if block.kind in kinds and block.text.strip()]


def commands(text):
    """Calls of mmerc in a shell script, as lists of words."""
    for line in text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\s(?:&&|\|\|?|;)\s|;\s", line):
            words = shlex.split(part, comments=True)
            if "mmerc" in words and words[0] != "pip":
                yield [word for word in words[words.index("mmerc") + 1 :] if word != "..."]


def fenced_commands():
    return [
        pytest.param(words, id=f"{block.page.name}: {' '.join(words)[:70]}")
        for block in blocks("", "bash", "sh")
        for words in commands(block.text)
    ]


def inline_commands():
    return [
        pytest.param(call, id=f"{page.name}: {call[:70]}")
        for page in PAGES
        for call in INLINE.findall(FENCE.sub("", page.read_text()))
    ]


def find_command(words):
    """The command named by the first words, and the remaining words."""
    command, rest = PROGRAM, list(words)
    while hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        assert rest[0] in command.commands, f"there is no command {rest[0]!r}"
        command = command.commands[rest.pop(0)]
    return command, rest


def known_options(command):
    actual = {name for item in command.params for name in (*item.opts, *item.secondary_opts)}
    return actual | {"--help", "-h"}


@pytest.mark.parametrize("words", fenced_commands())
def test_commands_in_blocks_are_valid(words):
    command, rest = find_command(words)
    context = command.make_context(command.name, rest)
    recipe = context.params.get("recipe")
    if recipe is not None and not recipe.startswith("$") and not recipe.endswith(".yaml"):
        assert recipe in recipe_names()
    target = context.params.get("target") if command.name == "reproduce" else None
    if target not in (None, "all"):
        assert find_target(target)


@pytest.mark.parametrize("call", inline_commands())
def test_commands_in_text_exist_with_their_options(call):
    command, rest = find_command([word for word in shlex.split(call)[1:] if word != "..."])
    unknown = {word.split("=")[0] for word in rest if word.startswith("-")} - known_options(command)
    assert not unknown


@pytest.mark.parametrize("block", blocks("console"), ids=lambda block: block.name)
def test_examples_print_the_documented_output(block, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for call, shown in calls(block.text):
        assert_output(run_example(call), shown)


def calls(text):
    """Each call and the lines shown below it."""
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        call, *shown = part.rstrip().splitlines()
        yield call, shown


def run_example(call):
    """Standard output of an mmerc command."""
    program, *arguments = shlex.split(call)
    assert program == "mmerc"
    out, before = io.StringIO(), sys.argv
    sys.argv = ["mmerc", *arguments]
    try:
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            main()
    finally:
        sys.argv = before
    return [line.rstrip() for line in out.getvalue().rstrip().splitlines()]


def assert_output(actual, shown):
    pattern = r"\n".join(
        ".*" if line == "..." else re.escape(line.rstrip()).replace(r"\.\.\.", "[^\n]*")
        for line in shown
    )
    assert re.fullmatch(pattern, "\n".join(actual), re.DOTALL), "\n".join(actual)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_linked_files_exist(page):
    text = FENCE.sub("", page.read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not target.startswith(("http", "#")):
            assert (page.parent / target.partition("#")[0]).exists(), target


@pytest.mark.parametrize(
    ("actual", "shown", "same"),
    [
        (["a", "b", "c"], ["a", "...", "c"], True),
        (["a 1.5 s"], ["a ... s"], True),
        (["a", "b"], ["a"], False),
        (["a", "x"], ["a", "b"], False),
        (["a (b) c"], ["a (b) d"], False),
    ],
)
def test_different_output_is_detected(actual, shown, same):
    if same:
        assert_output(actual, shown)
    else:
        with pytest.raises(AssertionError):
            assert_output(actual, shown)
