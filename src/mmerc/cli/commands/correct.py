"""``mmerc correct``: what people corrected in the files of an analysis."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import JsonOption, print_json, print_table, remark

EXAMPLES = (
    "mmerc correct results/talk talk-corrected.eaf",
    "mmerc correct results/talk ann.eaf ben.csv --rater ann --rater ben --out corrected",
)


def correct(
    analysis: Annotated[Path, typer.Argument(help="Analysis: a file of it, its name or folder.")],
    files: Annotated[
        list[Path], typer.Argument(help="Corrected .eaf, .TextGrid, .csv or .jsonl files.")
    ],
    raters: Annotated[
        list[str] | None,
        typer.Option("--rater", help="Who corrected a file, one per file (default: its name)."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for the corrected results (default: only list).")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace existing files.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Read corrected files of an analysis.

    Lists changed labels, words, speakers and times. With --out, all formats are written again with
    both the predicted and the corrected label.
    """
    from mmerc.inference.correction.correct import correct as read_correction
    from mmerc.inference.correction.correct import write_correction

    correction = read_correction(analysis, files, raters=raters or ())
    for line in correction.remarks:
        remark(f"note: {line}")
    paths = [] if out is None else write_correction(correction, out, overwrite=overwrite)
    if as_json:
        changes = [asdict(change) for change in correction.changes]
        print_json({"changes": changes, "files": [str(path) for path in paths]})
        return
    if not correction.changes:
        print("nothing was changed")
    else:
        rows = [
            [item.id, item.field, _cell(item.before), _cell(item.after), item.rater]
            for item in correction.changes
        ]
        print_table(["utterance", "field", "before", "after", "by"], rows)
    if paths:
        print(f"{len(paths)} files in {out}")


def _cell(value: str | float | None) -> str:
    """A value in a table."""
    return "" if value is None else str(value)
