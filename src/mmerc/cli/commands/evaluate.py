"""``mmerc evaluate``: a finished run again, or on another corpus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.commands.train import show
from mmerc.cli.output import JsonOption, MediaOption

EXAMPLES = "Examples: mmerc evaluate runs/mini; mmerc evaluate runs/mini --corpus corpora/my"


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder of a finished run.")],
    corpus: Annotated[
        Path | None,
        typer.Option(help="Prepared corpus (default: show the run's own result again)."),
    ] = None,
    media: MediaOption = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate every seed of a run on the test split of a corpus."""
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.data.corpus_media import add_corpus_sounds
    from mmerc.training.evaluate import evaluate_run
    from mmerc.training.result import read_result

    result = read_result(run)
    if corpus is not None:
        result = evaluate_run(run, result, add_corpus_sounds(PreparedCorpus.load(corpus), media))
    show(result, as_json=as_json)
