"""``codebook.md``: the meaning of all columns of a study's tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmerc.files import write_text
from mmerc.studies.measures_table import measure_columns
from mmerc.studies.table_columns import FAILED, TableColumn, TableLayout

_HEAD = """# Codebook

Every column of every table of this study. An empty cell is a missing value. The `.csv` and the
`.parquet` file of a table have the same columns; in the `.csv`, text that a spreadsheet would
treat as a formula (it starts with =, +, -, @ or a tab) has an apostrophe in front. Emotions are the
model's estimate of how people would label an utterance, not evidence of what somebody feels.
"""
_TITLES = {
    "utterances": "one row per utterance",
    "recordings": "one row per recording",
    "speakers": "one row per speaker of a recording",
    "transitions": "one row per pair of consecutive speakers and emotions",
}


def write_codebook(folder: Path, layout: TableLayout) -> Path:
    """Write the codebook of a study and return its path."""
    sections = [
        _format_section(f"{name}.csv, {name}.parquet: {_TITLES[name]}", columns)
        for name, columns in layout.tables.items()
    ]
    failed = _format_section("failed.csv: one row per recording that failed", FAILED)
    measures = _format_section(
        "measures.csv: one row per measure (`mmerc study measures`)", measure_columns()
    )
    path = folder / "codebook.md"
    write_text(path, "\n".join([_HEAD, *sections, failed, measures]))
    return path


def _format_section(title: str, columns: Sequence[TableColumn]) -> str:
    """Format a heading and a table of the columns."""
    lines = [
        f"## {title}",
        "",
        "| column | type | meaning | unit | range |",
        "|---|---|---|---|---|",
    ]
    for column in columns:
        kind = {"truth": "True or False"}.get(column.kind, column.kind)
        cells = (f"`{column.name}`", kind, column.meaning, column.unit, column.range)
        lines.append(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")
    return "\n".join(lines) + "\n"
