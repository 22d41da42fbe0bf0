"""``mmerc tune``: hyperparameter search over a recipe's search space."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import (
    AcceleratorOption,
    EngineOption,
    JsonOption,
    MediaOption,
    QuietOption,
    SettingsOption,
    print_json,
    print_table,
    remark,
    silent,
)

EXAMPLES = (
    "mmerc tune --recipe df-erc-mosi --corpus corpora/mosi --out tuning/mosi --jobs 2",
    "mmerc train --recipe tuning/mosi/best.yaml --corpus corpora/mosi --out runs/mosi",
)


def tune(
    recipe: Annotated[
        str, typer.Option(help="Recipe (name or YAML file) with a `search:` section.")
    ],
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    out: Annotated[
        Path, typer.Option(help="Folder for the search; run the same command to resume.")
    ],
    media: MediaOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials.")] = 20,
    folds: Annotated[
        int,
        typer.Option(min=1, help="Folds over the training conversations; 1 uses the valid split."),
    ] = 5,
    jobs: Annotated[
        int, typer.Option(min=1, help="Folds to train in parallel; they share the cores.")
    ] = 1,
    engine: EngineOption = "local",
    changes: SettingsOption = None,
    accelerator: AcceleratorOption = "auto",
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search the settings of a recipe.

    Scores every trial on validation or folds, never on test. Logs all trials and writes
    OUT/best.yaml.
    """
    from mmerc.executors.executor import Executor
    from mmerc.training.cache import RunCache
    from mmerc.training.corpus_source import CorpusSource
    from mmerc.training.folder import locked
    from mmerc.training.hardware import Hardware
    from mmerc.training.recipe_files import load_recipe
    from mmerc.training.tuning import Tuner

    tuner = Tuner(
        recipe=load_recipe(recipe, changes or ()),
        corpus=CorpusSource.create(corpus, media=media),
        directory=out,
        folds=folds,
        executor=Executor(jobs=jobs, engine=engine),
        hardware=Hardware(accelerator=accelerator),
        cache=RunCache.default(),
        report=silent if quiet else remark,
    )
    tuner.check()
    with locked(out):
        summary = tuner.search(trials)
    if as_json:
        print_json(summary)
        return
    best = summary["best"]
    print(
        f"best of {summary['trials']} trials: weighted F1 {best['weighted_f1']:.2f} on validation"
    )
    print_table(["setting", "value"], [[k, str(v)] for k, v in best["settings"].items()])
    print(f"recipe in {out / 'best.yaml'}")
