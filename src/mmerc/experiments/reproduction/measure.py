"""Read the finished runs of a target, and score every row next to the paper's numbers."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmerc.errors import InputError, UsageError
from mmerc.evaluation.comparison import Versus, compare_runs
from mmerc.evaluation.metrics import Metric, class_f1
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import summarise
from mmerc.experiments.reproduction.masking import masked_predictions
from mmerc.experiments.reproduction.plan import Plan
from mmerc.experiments.reproduction.results import (
    Epoch,
    RowScores,
    ScoredRow,
    TargetResults,
    TrainedRow,
)
from mmerc.experiments.reproduction.targets import PaperScores, TargetRow
from mmerc.files import read_json, read_text
from mmerc.training.folder import Run
from mmerc.training.hardware import Hardware
from mmerc.training.machine import MACHINE
from mmerc.training.recipe import Recipe
from mmerc.training.result import interval


def measure(plan: Plan, runs: Mapping[str, Run], *, hardware: Hardware) -> TargetResults:
    """Read the planned seeds of every trained row; InputError lists what is missing.

    ``runs`` are by row; ``hardware`` is for rerunning saved models, for masked rows and figures.
    """
    trained = tuple(
        _read_trained_row(row, plan, runs[row.name], hardware=hardware) for row in plan.trained
    )
    return TargetResults(
        target=plan.target,
        reference=plan.reference,
        metric=plan.target.metric,
        baseline=next(row for row in trained if row.row.name == plan.target.baseline),
        trained=trained,
        scored=tuple(_score_rows(plan, trained)),
    )


def _read_trained_row(row: TargetRow, plan: Plan, run: Run, *, hardware: Hardware) -> TrainedRow:
    """Read one row; a masked one runs the saved models again, once."""
    _check_run(run)
    folders = [run.seed_directory(seed) for seed in range(plan.seeds)]
    for seed, folder in enumerate(folders):
        if not (folder / "seed.json").is_file():
            problem = f"seed {seed} of {plan.name}'s row {row.name} is missing"
            raise InputError(run.directory, problem, "train it: leave --report-only out")
    if row.masked is None:
        test = [Predictions.load(folder / "predictions-test.parquet") for folder in folders]
    else:
        test = [
            masked_predictions(folder, row.masked, run.corpus, hardware=hardware)
            for folder in folders
        ]
    return TrainedRow(
        row=row,
        run=run,
        seeds=tuple(range(plan.seeds)),
        test=tuple(test),
        history=tuple(_read_history(folder / "history.csv") for folder in folders),
        machines=tuple(_read_machine(folder / MACHINE) for folder in folders),
        hardware=hardware,
    )


def _check_run(run: Run) -> None:
    """InputError if a run is missing, or belongs to another recipe or corpus."""
    path = run.directory / "run.json"
    if not path.is_file():
        fix = "train it: leave --report-only out"
        raise InputError(run.directory, "no such run", fix)
    stored, expected = read_json(path), run.identity()
    if not isinstance(stored, dict) or not _same_recipe(stored.get("recipe"), run.recipe):
        raise InputError(run.directory, "was started with another recipe", "choose another --out")
    if any(stored.get(key) != expected[key] for key in ("corpus", "fingerprints")):
        raise InputError(run.directory, "was started with another corpus", "choose another --out")


def _same_recipe(value: object, recipe: Recipe) -> bool:
    """Whether a stored recipe differs at most in names and seeds."""
    try:
        stored = Recipe.model_validate(value)
    except (ValidationError, UsageError):
        return False
    return stored.model == recipe.model and stored.training == recipe.training


def _read_history(path: Path) -> tuple[Epoch, ...]:
    """Read the epochs of a training."""
    try:
        lines = list(csv.DictReader(io.StringIO(read_text(path))))
        return tuple({name: float(value) for name, value in line.items()} for line in lines)
    except (TypeError, ValueError) as error:
        raise InputError(path, "not the history of a run", "train it again") from error


def _read_machine(path: Path) -> Mapping[str, Any] | None:
    """Read the machine of a seed; None for runs trained without ``mmerc reproduce``."""
    value = read_json(path) if path.is_file() else None
    return value if isinstance(value, dict) else None


def _score_rows(plan: Plan, trained: Sequence[TrainedRow]) -> list[ScoredRow]:
    """Score all rows in the target's order, including published and skipped ones."""
    by_name = {row.row.name: row for row in trained}
    versus = _compare_with_baseline(plan, by_name)
    baseline = next(_paper_scores(r, plan) for r in plan.rows if r.name == plan.target.baseline)
    scored = []
    for row in plan.rows:
        paper, finished = _paper_scores(row, plan), by_name.get(row.name)
        scored.append(
            ScoredRow(
                row=row,
                paper=paper,
                paper_difference=paper_difference(paper, baseline, plan, row),
                ours=None if finished is None else _score_row(finished, plan.target.metric, versus),
                left_out=plan.left_out.get(row.name, ""),
            )
        )
    return scored


def _compare_with_baseline(plan: Plan, trained: Mapping[str, TrainedRow]) -> Mapping[str, Versus]:
    """Compare every row with the baseline, with Holm's correction."""
    baseline = plan.target.baseline
    names = [baseline, *(name for name in trained if name != baseline)]
    conversations = set(trained[baseline].test[0].with_gold().conversations)
    if len(names) < 2 or len(conversations) < 2:  # the bootstrap resamples conversations
        return {}
    runs = {name: trained[name].test for name in names}
    return {item.name: item for item in compare_runs(runs, metric=plan.target.metric)}


def _score_row(trained: TrainedRow, metric: Metric, versus: Mapping[str, Versus]) -> RowScores:
    """Summarise a row over its seeds."""
    mean, std = summarise(trained.values(metric))
    bounds = interval(trained.test, metric)
    return RowScores(
        mean=mean,
        std=std,
        interval=None if bounds is None else (bounds[0], bounds[1]),
        accuracy=summarise(trained.values("accuracy")).mean,
        per_class=_per_class(trained),
        seeds=len(trained.seeds),
        versus=versus.get(trained.row.name),
    )


def _per_class(trained: TrainedRow) -> dict[str, float | None]:
    """Return the mean F1 of every label over the seeds; None if gold lacks the label."""
    occurs = trained.confusions[0].sum(axis=1) > 0
    means = class_f1(trained.confusions).mean(axis=0)
    labels = trained.test[0].labels
    return {
        label: float(f1) if occurring else None
        for label, f1, occurring in zip(labels, means, occurs, strict=True)
    }


def _paper_scores(row: TargetRow, plan: Plan) -> PaperScores:
    """Look up the paper's scores on the reference corpus."""
    return row.paper.get(plan.reference.compare, PaperScores())


def paper_difference(
    paper: PaperScores, baseline: PaperScores, plan: Plan, row: TargetRow
) -> float | None:
    """Return the paper's row minus its baseline."""
    metric = plan.target.metric
    if row.name == plan.target.baseline or metric == "macro_f1":
        return None
    value, reference = getattr(paper, metric), getattr(baseline, metric)
    return None if value is None or reference is None else round(value - reference, 2)
