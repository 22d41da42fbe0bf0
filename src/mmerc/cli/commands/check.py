"""``mmerc check``: show how files would be read, without analysing them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mmerc.cli.output import JsonOption, print_json

if TYPE_CHECKING:
    from mmerc.inference.file_check import FileReport

EXAMPLES = ("mmerc check talk.mp4 talk.srt", "mmerc check corpora/meld --json")
_MOST_NAMES = 8


def check(
    files: Annotated[
        list[Path],
        typer.Argument(
            help="Recordings, subtitles, RTTM, words, transcripts, manifests or prepared corpora."
        ),
    ],
    as_json: JsonOption = False,
) -> None:
    """Show how files would be read.

    Shows streams, duration, speakers, utterances and warnings. Exits with 1 if a file cannot be
    read.
    """
    from mmerc.inference.file_check import check_files

    reports = check_files(files)
    if as_json:
        print_json({"files": [report.to_json() for report in reports]})
    else:
        print("\n\n".join("\n".join(_format_report(report)) for report in reports))
    if any(report.problem is not None for report in reports):
        raise typer.Exit(1)


def _format_report(report: FileReport) -> Iterator[str]:
    """Yield the lines that describe a file."""
    yield f"{report.path}: {report.kind}"
    if report.problem is not None:
        yield f"  cannot be read: {report.problem}"
    for name, value in report.facts.items():
        yield f"  {name.replace('_', ' ')}: {_format_value(value)}"
    for remark in report.remarks:
        yield f"  note: {remark}"


def _format_value(value: Any) -> str:
    """Format a fact: few digits, and at most eight names."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else ((name, None) for name in value)
        parts = [str(n) if v is None else f"{n} ({_format_value(v)})" for n, v in items]
        more = [f"{len(parts) - _MOST_NAMES} more"] if len(parts) > _MOST_NAMES else []
        return ", ".join(parts[:_MOST_NAMES] + more) or "none"
    return "unknown" if value is None else str(value)
