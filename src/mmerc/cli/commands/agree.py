"""``mmerc agree``: agreement of raters with each other and with a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.output import print_json, remark, split_names

EXAMPLES = (
    "mmerc agree ann.csv ben.csv",
    "mmerc agree ann.eaf ben.TextGrid cleo.csv --model results/talk",
    "mmerc agree labels.csv --raters ann,ben --order calm,tense,angry --format json",
)


def agree(
    files: Annotated[
        list[Path],
        typer.Argument(help="One .csv, .jsonl, .eaf, .TextGrid or folder of them per rater."),
    ],
    model: Annotated[
        Path | None, typer.Option(help="Analysis, predictions or labels of the model to compare.")
    ] = None,
    raters: Annotated[
        str, typer.Option(help="Columns or tiers with one rater's labels each: ann,ben.")
    ] = "",
    order: Annotated[
        str, typer.Option(help="All labels of a scale, in order, for weighted kappa.")
    ] = "",
    margin: Annotated[
        float, typer.Option(min=0, max=1, help="How much worse than a rater it may be (epsilon).")
    ] = 0.15,
    resamples: Annotated[int, typer.Option(min=100, help="Bootstrap resamples.")] = 2000,
    form: Annotated[
        Literal["text", "json", "csv"], typer.Option("--format", help="text, json or csv.")
    ] = "text",
) -> None:
    """Measure agreement of raters, and with a model.

    Percent, Krippendorff's alpha, Fleiss' and Cohen's kappa with 95 % intervals, by label and by
    speaker; with --model also the alternative annotator test (Calderon et al. 2025).
    """
    from mmerc.annotation.agreement_report import as_text, as_values, compare_raters, tabulate

    comparison = compare_raters(
        files,
        model=model,
        raters=split_names(raters),
        order=split_names(order),
        margin=margin,
        resamples=resamples,
    )
    for line in comparison.remarks:
        remark(f"note: {line}")
    if form == "json":
        print_json(as_values(comparison))
    else:
        print(tabulate(comparison) if form == "csv" else as_text(comparison), end="")
