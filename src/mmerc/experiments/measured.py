"""What the runs of a target left behind, read for its report."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from mmerc.errors import InputError, UsageError
from mmerc.evaluation.metrics import FROM_CONFUSION, Metric, confusion
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.execution import MACHINE
from mmerc.experiments.masking import masked_predictions
from mmerc.experiments.plan import Plan
from mmerc.experiments.target import Row
from mmerc.experiments.workspace import Workspace
from mmerc.files import read_json, read_text
from mmerc.training.folder import Run
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe

Epoch = Mapping[str, float]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A row's runs: test predictions, epochs and machine of every seed, in the seeds' order.

    ``hardware`` is what their models are asked on.
    """

    row: Row
    run: Run
    seeds: tuple[int, ...]
    test: tuple[Predictions, ...]
    history: tuple[tuple[Epoch, ...], ...]
    machines: tuple[Mapping[str, Any] | None, ...]
    hardware: Hardware

    @cached_property
    def confusions(self) -> NDArray[np.int64]:
        """Utterances by gold and predicted label. Shape: [S, K, K], rows gold."""
        return np.stack([confusion(made) for made in self.test])

    def values(self, metric: Metric) -> list[float]:
        """The metric of every seed, in percent."""
        return [float(value) for value in FROM_CONFUSION[metric](self.confusions)]

    @property
    def seconds(self) -> list[float]:
        """Time spent in the epochs of every seed."""
        return [sum(epoch["seconds"] for epoch in epochs) for epochs in self.history]


def read_rows(plan: Plan, workspace: Workspace, *, seeds: int) -> list[Measured]:
    """Every trained row's first ``seeds`` seeds; InputError naming what is missing."""
    return [read_row(row, plan, workspace, seeds=seeds) for row in plan.trained]


def read_row(row: Row, plan: Plan, workspace: Workspace, *, seeds: int) -> Measured:
    """One row; a masked one asks the saved models again, once."""
    run = workspace.run(plan.recipes[row.name])
    check_run(run)
    numbers = tuple(range(seeds))
    for seed in numbers:
        if not (run.seed_directory(seed) / "seed.json").is_file():
            problem = f"seed {seed} of {plan.name}'s row {row.name} is not there"
            raise InputError(run.directory, problem, "train it: leave --report-only out")
    folders = [run.seed_directory(seed) for seed in numbers]
    if row.masked is None:
        test = [Predictions.load(folder / "predictions-test.parquet") for folder in folders]
    else:
        test = [
            masked_predictions(folder, row.masked, run.corpus, hardware=workspace.hardware)
            for folder in folders
        ]
    return Measured(
        row=row,
        run=run,
        seeds=numbers,
        test=tuple(test),
        history=tuple(read_history(folder / "history.csv") for folder in folders),
        machines=tuple(read_machine(folder / MACHINE) for folder in folders),
        hardware=workspace.hardware,
    )


def check_run(run: Run) -> None:
    """Refuse a run that was begun with something else."""
    path = run.directory / "run.json"
    if not path.is_file():
        fix = "train it: leave --report-only out"
        raise InputError(run.directory, "no such run", fix)
    before, now = read_json(path), run.identity()
    if not isinstance(before, dict) or not same_recipe(before.get("recipe"), run.recipe):
        raise InputError(run.directory, "was begun with another recipe", "choose another --out")
    if any(before.get(key) != now[key] for key in ("corpus", "fingerprints")):
        raise InputError(run.directory, "was begun with another corpus", "choose another --out")


def same_recipe(value: object, recipe: Recipe) -> bool:
    """Whether a stored recipe, read by this version, is the same but for names and seeds."""
    try:
        stored = Recipe.model_validate(value)
    except (ValidationError, UsageError):
        return False
    return stored.model == recipe.model and stored.training == recipe.training


def read_history(path: Path) -> tuple[Epoch, ...]:
    """Epochs as training wrote them."""
    try:
        rows = list(csv.DictReader(io.StringIO(read_text(path))))
        return tuple({name: float(value) for name, value in row.items()} for row in rows)
    except (TypeError, ValueError) as error:
        raise InputError(path, "not the history of a run", "train it again") from error


def read_machine(path: Path) -> Mapping[str, Any] | None:
    """The machine of a seed; None where nobody noted it (a run that was trained otherwise)."""
    value = read_json(path) if path.is_file() else None
    return value if isinstance(value, dict) else None
