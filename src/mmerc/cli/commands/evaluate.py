"""``mmerc evaluate``: evaluate a run or a model on a corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from mmerc.cli.commands.train import show
from mmerc.cli.output import JsonOption, MediaOption, remark

EXAMPLES = (
    "mmerc evaluate runs/mini",
    "mmerc evaluate runs/mini --corpus corpora/my",
    "mmerc evaluate mmerc-mini-text --corpus corpora/my",
)


def evaluate(
    model: Annotated[
        str, typer.Argument(help="Run or model folder, mmerc-mini, or Hub repository.")
    ],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Prepared corpus with labels (default: show the run's own result)."),
    ] = None,
    media: MediaOption = None,
    split: Annotated[
        Literal["train", "valid", "test"], typer.Option(help="Split to evaluate on.")
    ] = "test",
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for predictions and result (default: RUN/evaluations)."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run or a model on a corpus.

    Every seed of a run is evaluated. Remarks say why the scores may be unreliable.
    """
    from mmerc.training.evaluate import evaluate as evaluate_model

    result = evaluate_model(model, corpus, media=media, split=split, out=out)
    for line in result.get("remarks", ()):
        remark(f"remark: {line}")
    show(result, as_json=as_json)
