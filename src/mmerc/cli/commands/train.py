"""``mmerc train``: train a recipe on a corpus, with several seeds."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mmerc.cli.output import (
    AcceleratorOption,
    EngineOption,
    JsonOption,
    MediaOption,
    NoCacheOption,
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
    engine: EngineOption = "local",
    no_cache: NoCacheOption = False,
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
    from mmerc.training.train import train as train_recipe

    result = train_recipe(
        recipe,
        corpus,
        out,
        media=media,
        seeds=seeds,
        changes=changes or (),
        resume=resume,
        jobs=jobs,
        engine=engine,
        accelerator=accelerator,
        devices=devices,
        cache=not no_cache,
        progress=sys.stderr.isatty() and not quiet,
        report=silent if quiet else remark,
    )
    if result:
        show(result, as_json=as_json)


def show(result: dict[str, Any], *, as_json: bool) -> None:
    """Print a result as JSON or as a table."""
    if as_json:
        print_json(result)
        return
    split = next(iter(result["summary"]))
    scores = [seed[split] for seed in result["seeds"]]
    labels = list(scores[0]["per_class_f1"])
    rows = [
        [
            "-" if seed["seed"] is None else str(seed["seed"]),
            str(seed["epoch"] + 1) if "epoch" in seed else "-",
            *(f"{score[name]:.2f}" for name in ("accuracy", "weighted_f1", "macro_f1")),
            *(percent(score["per_class_f1"][label]) for label in labels),
            f"{score['calibration_error']:.2f}",
        ]
        for seed, score in zip(result["seeds"], scores, strict=True)
    ]
    columns = ["seed", "epoch", "accuracy", "weighted F1", "macro F1", *labels, "calibration error"]
    print(f"{result['recipe']} on {result['corpus']}, {split} split:")
    print_table(columns, rows)
    for name, value in result["summary"][split].items():
        interval = value["interval"]
        spread = f" (95 % interval {interval[0]:.2f} to {interval[1]:.2f})" if interval else ""
        print(f"{name}: {value['mean']:.2f} +- {value['std']:.2f}{spread}")
