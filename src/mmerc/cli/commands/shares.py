"""``mmerc shares``: estimate shares of emotions, corrected for misclassification."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.output import print_json, remark, split_names

EXAMPLES = (
    "mmerc shares emotions.csv --labels sample.csv",
    "mmerc shares study --labels sample.eaf --by speaker,condition --format csv",
)


def shares(
    predictions: Annotated[
        Path, typer.Argument(help="Predictions (.jsonl, .csv, .parquet), or a folder of them.")
    ],
    labels: Annotated[
        Path, typer.Option(help="Labels of a random sample: .csv, .jsonl, .eaf or .TextGrid.")
    ],
    by: Annotated[str, typer.Option(help="Columns to report by as well: speaker,condition.")] = "",
    draws: Annotated[int, typer.Option(min=500, help="Draws from the posterior.")] = 4000,
    form: Annotated[
        Literal["text", "json", "csv"], typer.Option("--format", help="text, json or csv.")
    ] = "text",
) -> None:
    """Estimate how common each emotion is.

    A model's errors distort counts of its predictions. Labels of a random sample correct them, with
    95 % intervals.
    """
    from mmerc.annotation.share_report import (
        describe_shares,
        report_shares,
        share_values,
        tabulate_shares,
    )

    report = report_shares(predictions, labels, by=split_names(by), draws=draws)
    for line in report.remarks:
        remark(f"note: {line}")
    if form == "json":
        print_json(share_values(report))
    else:
        print(tabulate_shares(report) if form == "csv" else describe_shares(report), end="")
