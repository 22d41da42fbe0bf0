"""``mmerc tune``: search over the space that a recipe declares."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mmerc.cli.output import JsonOption, MediaOption, print_json, print_table, remark, silent

EXAMPLES = (
    "Example: mmerc tune --recipe df-erc-mosi --corpus corpora/mosi --out tuning/mosi --trials 30 "
    "--folds 5 --jobs 2, then mmerc train --recipe tuning/mosi/best.yaml ..."
)


def tune(
    recipe: Annotated[str, typer.Option(help="Recipe with a `search:` section.")],
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    out: Annotated[Path, typer.Option(help="Folder of the search; it goes on where it stopped.")],
    media: MediaOption = None,
    trials: Annotated[int, typer.Option(min=1, help="Finished trials to have in the end.")] = 20,
    folds: Annotated[
        int, typer.Option(min=1, help="Folds over training conversations; 1: the valid split.")
    ] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="Folds at a time; they share the cores.")] = 1,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: key.key=value.")
    ] = None,
    accelerator: Annotated[str, typer.Option(help="auto, cpu or gpu.")] = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Search settings on validation or folds (never on test); log every try; write best.yaml."""
    from mmerc.data.corpus import PreparedCorpus
    from mmerc.data.corpus_media import add_corpus_sounds
    from mmerc.training.cache import RunCache
    from mmerc.training.folder import locked
    from mmerc.training.hardware import Hardware
    from mmerc.training.recipe import load_recipe
    from mmerc.training.tuning import Tuner

    tuner = Tuner(
        recipe=load_recipe(recipe, changes or ()),
        corpus=add_corpus_sounds(PreparedCorpus.load(corpus), media),
        directory=out,
        folds=folds,
        jobs=jobs,
        hardware=Hardware(accelerator=accelerator),
        cache=RunCache.default(),
        report=silent if quiet else remark,
    )
    tuner.check()
    with locked(out):
        found = tuner.search(trials)
    if as_json:
        print_json(found)
        return
    best = found["best"]
    print(f"best of {found['trials']} trials: weighted F1 {best['weighted_f1']:.2f} on validation")
    print_table(["setting", "value"], [[k, str(v)] for k, v in best["settings"].items()])
    print(f"recipe in {out / 'best.yaml'}")
