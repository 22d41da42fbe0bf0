"""``mmerc tries``: count the trainings scored on validation."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from mmerc.cli.output import JsonOption, print_json, print_table

EXAMPLES = ("mmerc tries --corpus meld",)


def tries(
    corpus: Annotated[str | None, typer.Option(help="Only training runs on this corpus.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Count the training runs behind each choice.

    Counts every training run that was scored on validation, by corpus and recipe.
    """
    from mmerc.training.cache import RunCache

    trainings = [t for t in RunCache.stored().tries() if corpus is None or t.corpus == corpus]
    if as_json:
        print_json([asdict(item) for item in trainings])
        return
    groups = sorted({(t.corpus, t.recipe) for t in trainings})
    rows = []
    for group in groups:
        members = [t for t in trainings if (t.corpus, t.recipe) == group]
        settings = {str(t.settings) for t in members}
        best = max(t.weighted_f1 for t in members)
        rows.append([*group, str(len(members)), str(len(settings)), f"{best:.2f}"])
    columns = ["corpus", "recipe", "runs", "different settings", "best valid weighted F1"]
    print_table(columns, rows)
    print(f"{len(trainings)} training runs were scored on validation")
