"""Command groups with headings, and renamed options."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typer.core import TyperGroup

from mmerc.cli.output import remark

ANALYSE, LABEL, RESEARCH, PUBLISH = _HEADINGS = ("Analyse", "Label", "Research", "Publish")

# command: {old name: new name}. Help shows only the new name; the old one works with a notice.
_RENAMED_OPTIONS: Mapping[str, Mapping[str, str]] = {
    "extract": {"--visual": "--video"},
    "serve": {
        "--name": "--allow-host",
        "--folder": "--jobs-folder",
        "--megabytes": "--max-upload-mb",
        "--minutes": "--max-recording-minutes",
        "--job-minutes": "--max-job-minutes",
        "--memory": "--max-memory-gb",
        "--keep": "--keep-minutes",
        "--waiting": "--max-jobs",
        "--parallel": "--max-running-jobs",
    },
}


class CommandGroup(TyperGroup):
    """A group that lists commands under headings and accepts old option names.

    A command's heading is its ``rich_help_panel``.
    """

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a section per heading; within a section, command groups come first."""
        commands = [self.get_command(ctx, name) for name in self.list_commands(ctx)]
        visible = [command for command in commands if command is not None and not command.hidden]
        width = max(len(str(command.name)) for command in visible)
        sections: dict[str, list[tuple[str, str]]] = {heading: [] for heading in _HEADINGS}
        for command in sorted(visible, key=lambda item: not isinstance(item, TyperGroup)):
            name = str(command.name).ljust(width)
            summary = command.get_short_help_str(formatter.width - width - 6)
            sections.setdefault(_heading(command), []).append((name, summary))
        for heading, rows in sections.items():
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        """Find the command and replace old option names in its arguments."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command, _replace_renamed(rest, _RENAMED_OPTIONS.get(name or "", {}))


def _replace_renamed(arguments: list[str], names: Mapping[str, str]) -> list[str]:
    """Replace old option names by new ones, with a notice on stderr for each."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    replaced = []
    for argument in arguments[:end]:
        option, equals, value = argument.partition("=")
        if option in names:
            remark(f"note: {option} is now called {names[option]}; use the new name.")
        replaced.append(f"{names.get(option, option)}{equals}{value}")
    return replaced + arguments[end:]


def examples_epilog(*lines: str) -> str:
    """Build the end of a command's help: examples, one per line, not rewrapped."""
    title = "Example:" if len(lines) == 1 else "Examples:"
    return "\n".join(["\b", title, *(f"  {line}" for line in lines)])


def _heading(command: Any) -> str:
    """Return the heading of a command; typer has a placeholder if there is none."""
    panel = command.rich_help_panel
    return panel if isinstance(panel, str) else "Commands"
