"""``mmerc train``: train a recipe on a corpus, with several seeds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from mmerc.cli.output import (
    AcceleratorOption,
    JsonOption,
    MediaOption,
    QuietOption,
    SettingsOption,
    percent,
    print_json,
    print_table,
    remark,
    silent,
)

EXAMPLES = (
    "mmerc train --recipe df-erc-mosi --corpus corpora/mosi --out runs/mosi",
    "mmerc train --recipe df-erc-meld-mini --corpus corpora/meld --out runs/mini \\",
    "  --seeds 1 --set training.epochs=3 --set 'model.ablations=[-DDM]'",
)


def train(
    recipe: Annotated[str, typer.Option(help="Name of a recipe, or a YAML file.")],
    corpus: Annotated[Path, typer.Option(help="Prepared corpus.")],
    out: Annotated[Path, typer.Option(help="Folder for the run.")],
    media: MediaOption = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Train seeds 0 to N-1 (default: as the recipe says).")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume a run.")] = False,
    changes: SettingsOption = None,
    jobs: Annotated[
        int, typer.Option(min=1, help="Seeds to train in parallel; they share the cores.")
    ] = 1,
    engine: Annotated[
        Literal["local", "ray"], typer.Option(help="This machine or a Ray cluster.")
    ] = "local",
    no_cache: Annotated[
        bool, typer.Option("--no-cache", help="Do not reuse cached trainings.")
    ] = False,
    accelerator: AcceleratorOption = "auto",
    devices: Annotated[
        int, typer.Option(min=1, help="Number of devices to train on in parallel.")
    ] = 1,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train a recipe on a corpus.

    Chooses the epoch on validation, evaluates once on test, and writes OUT/result.json.
    """
    from mmerc.executors.executor import Executor
    from mmerc.training.cache import RunCache
    from mmerc.training.corpus_source import CorpusSource
    from mmerc.training.hardware import Hardware
    from mmerc.training.recipe_files import load_recipe
    from mmerc.training.run import train_run

    result = train_run(
        load_recipe(recipe, changes or ()),
        CorpusSource.create(corpus, media=media),
        out,
        seeds=seeds,
        resume=resume,
        executor=Executor(jobs=jobs, engine=engine),
        cache=None if no_cache else RunCache.default(),
        hardware=Hardware(
            accelerator=accelerator,
            devices=devices,
            progress=sys.stderr.isatty() and not quiet,
        ),
        report=silent if quiet else remark,
    )
    if result:
        show(result, as_json=as_json)


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """Print a result as JSON or as a table."""
    if as_json:
        print_json(result)
        return
    labels = list(result["seeds"][0]["test"]["per_class_f1"])
    rows = [
        [
            str(seed["seed"]),
            str(seed["epoch"] + 1) if "epoch" in seed else "-",
            *(f"{seed['test'][name]:.2f}" for name in ("accuracy", "weighted_f1", "macro_f1")),
            *(percent(seed["test"]["per_class_f1"][label]) for label in labels),
            f"{seed['test']['calibration_error']:.2f}",
        ]
        for seed in result["seeds"]
    ]
    columns = ["seed", "epoch", "accuracy", "weighted F1", "macro F1", *labels, "calibration error"]
    print(f"{result['recipe']} on {result['corpus']}, test split:")
    print_table(columns, rows)
    for name, value in result["summary"]["test"].items():
        interval = value["interval"]
        spread = f" (95 % interval {interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        print(f"{name}: {value['mean']:.2f} +- {value['std']:.2f}{spread}")
