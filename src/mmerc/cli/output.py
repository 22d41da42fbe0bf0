"""Output of commands: results on stdout, remarks and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the folder if it exists.")
]

MediaOption = Annotated[
    Path | None,
    typer.Option(help="Folder with the corpus's media, for models that read raw audio."),
]
QuietOption = Annotated[bool, typer.Option("--quiet", help="Show no progress.")]
SettingsOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting (repeatable)."),
]
EngineOption = Annotated[
    Literal["local", "ray"], typer.Option(help="This machine or a Ray cluster.")
]
NoCacheOption = Annotated[
    bool, typer.Option("--no-cache", help="Do not reuse cached training runs.")
]
AcceleratorOption = Annotated[str, typer.Option(help="auto, cpu or gpu.")]


def remark(line: str) -> None:
    """Print a progress line or a note on stderr."""
    print(line, file=sys.stderr, flush=True)


def silent(line: str) -> None:
    """Print nothing; used instead of ``remark`` with --quiet."""


def printable(path: Path) -> str:
    """Return the path as printable text; file names may not be valid text."""
    from mmerc.files import encodable

    return encodable(str(path))


def split_names(names: str) -> list[str]:
    """Split an option's comma-separated names."""
    return [name.strip() for name in names.split(",") if name.strip()]


def print_json(value: object) -> None:
    """Print a value as a JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with right-aligned numbers, as wide as the terminal (200 in a file)."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        figures = all(_is_figure(row[number]) for row in rows)
        table.add_column(column, justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def percent(value: float | None) -> str:
    """Format a score for a table cell."""
    return "-" if value is None else f"{value:.2f}"


def _is_figure(text: str) -> bool:
    """Whether a cell is a number or empty."""
    return text in {"", "-"} or text.replace(".", "").replace("%", "").strip().isdigit()
