"""What commands print: results on stdout, remarks and progress on stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
OverwriteOption = Annotated[
    bool, typer.Option("--overwrite", help="Replace the folder if it is there already.")
]

MediaOption = Annotated[
    Path | None,
    typer.Option(help="Folder of the media, for models that read sound as it is."),
]


def remark(line: str) -> None:
    """A line for the person who waits."""
    print(line, file=sys.stderr, flush=True)


def silent(line: str) -> None:
    """In the place of ``remark`` where nobody waits."""


def print_json(value: object) -> None:
    """One JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table, numbers to the right, as wide as the terminal (or as it needs in a file)."""
    console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(box=None, pad_edge=False)
    for number, column in enumerate(columns):
        figures = all(is_figure(row[number]) for row in rows)
        table.add_column(column, justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(table)


def percent(value: float | None) -> str:
    """A score as a cell holds it."""
    return "-" if value is None else f"{value:.2f}"


def is_figure(text: str) -> bool:
    """Whether a cell holds a number (or nothing)."""
    return text in {"", "-"} or text.replace(".", "").replace("%", "").strip().isdigit()
