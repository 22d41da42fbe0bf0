"""``mmerc transfer``: score a model on other corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.output import JsonOption, QuietOption, print_json, print_table, remark, silent

EXAMPLES = (
    "mmerc transfer mmerc-mini --corpus corpora/mine",
    "mmerc transfer runs/mini --corpus corpora/a --corpus corpora/b --labels map.yaml",
    "mmerc transfer models/mini --corpus corpora/mine --card",
)


def transfer(
    model: Annotated[
        str, typer.Argument(help="Run (all seeds), model folder, mmerc-mini, or Hub repository.")
    ],
    corpora: Annotated[
        list[Path], typer.Option("--corpus", help="Prepared corpus with labels (repeatable).")
    ],
    labels: Annotated[
        Path | None, typer.Option(help="YAML file with common names for the labels.")
    ] = None,
    split: Annotated[
        Literal["train", "valid", "test"], typer.Option(help="Split to predict.")
    ] = "test",
    out: Annotated[Path, typer.Option(help="Folder for the tables.")] = Path("transfer"),
    card: Annotated[
        bool, typer.Option("--card", help="Also write the scores on the model folder's card.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Score a model on other corpora.

    Scores every combination of modalities on every corpus, with labels mapped to common names.
    Losses due to different label frequencies are separated from failures to recognise emotions.
    """
    from mmerc.experiments.transfer.run_transfer import run_transfer
    from mmerc.experiments.transfer.transfer_card import find_card, write_card_scores
    from mmerc.experiments.transfer.transfer_report import transfer_json

    if card:
        find_card(model)  # fails before measuring

    report = silent if quiet else remark
    outcome = run_transfer(model, corpora, label_file=labels, split=split, out=out, report=report)
    for name, result in outcome.results.items():
        for line in result.remarks:
            remark(f"remark: {name}: {line}")
    if card:
        write_card_scores(model, outcome.results, split=split)
    if as_json:
        print_json(transfer_json(outcome.results, model=outcome.model, split=split))
        return
    print_table(outcome.table.columns, outcome.table.rows)
    print(f"tables in {out / 'transfer.md'}")
