"""``mmerc evaluate``: show a run's result, or evaluate it on another corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.commands.train import show
from mmerc.cli.output import JsonOption, MediaOption

EXAMPLES = ("mmerc evaluate runs/mini", "mmerc evaluate runs/mini --corpus corpora/my")


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Prepared corpus (default: show the run's own result)."),
    ] = None,
    media: MediaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run on a corpus's test split.

    Every seed of the run is evaluated.
    """
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.data.corpus_media import add_corpus_sounds
    from mmerc.training.evaluate import evaluate_run
    from mmerc.training.result import read_result

    result = read_result(run)
    if corpus is not None:
        result = evaluate_run(run, result, add_corpus_sounds(PreparedCorpus.load(corpus), media))
    show(result, as_json=as_json)
