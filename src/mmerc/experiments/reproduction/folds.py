"""Decide what a paper leaves open, by folds over training conversations.

Each choice marked ``[decided]`` and its alternatives are trained on the same folds and compared
fold by fold. Neither the validation nor the test split is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmerc.errors import InputError
from mmerc.evaluation.multiple_tests import holm
from mmerc.evaluation.significance import SeedTest, Summary, seed_test, summarise
from mmerc.executors.executor import Executor
from mmerc.experiments.reproduction.plan import Plan
from mmerc.experiments.reproduction.workspace import PlannedRun
from mmerc.files import read_json, write_json
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import Fold
from mmerc.training.folder import Run
from mmerc.training.hardware import Hardware
from mmerc.training.job import TrainingJob
from mmerc.training.reporting import Reporter
from mmerc.training.validation import validate

_FOLDS = 5
FoldScores = Mapping[str, list[float]]  # weighted F1 of every fold and seed, by row


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """An alternative to the decision, fold by fold; ``adjusted`` is Holm's p of the t test."""

    name: str
    against: str
    scores: tuple[float, ...]
    reference: tuple[float, ...]
    test: SeedTest
    adjusted: float | None

    @property
    def differences(self) -> list[float]:
        """Alternative minus decided, fold by fold."""
        return [score - other for score, other in zip(self.scores, self.reference, strict=True)]

    @property
    def summary(self) -> Summary:
        """Mean and deviation of the differences."""
        return summarise(self.differences)


def run_folds(
    planned: Sequence[PlannedRun],
    rows: Mapping[str, Run],
    folder: Path,
    *,
    hardware: Hardware,
    executor: Executor,
    cache: RunCache,
    report: Reporter,
) -> None:
    """Score every run on every fold, and write the scores of ``rows`` to folds.json.

    The cache keeps finished scores.
    """
    names = [
        (item, fold, seed, f"{item.run.directory.name}-{fold}-{seed}")
        for seed in range(max(item.seeds for item in planned))
        for item in planned
        for fold in range(_FOLDS)
    ]
    jobs = [
        TrainingJob(
            recipe=item.run.recipe, seed=seed, name=name,
            directory=(folder / f".{name}").absolute(),
            corpus=replace(item.source, fold=Fold(number=fold, folds=_FOLDS)),
            hardware=hardware, cache=cache, report=report,
        )
        for item, fold, seed, name in names
    ]  # fmt: skip
    scores: dict[Path, list[float]] = {item.run.directory: [] for item in planned}
    outcomes = executor.map(_score_fold, jobs)
    for (item, *_), score in zip(names, outcomes, strict=True):
        scores[item.run.directory].append(score)
    write_json(folder / "folds.json", {n: scores[run.directory] for n, run in rows.items()})


def _score_fold(job: TrainingJob) -> float:
    """Return the weighted F1 of the best epoch on the fold's held-out conversations."""
    score = validate(job)
    job.say(f"{score:.2f}")
    return score


def read_folds(plan: Plan, folder: Path) -> FoldScores:
    """Read the results of ``run_folds``; InputError lists what is missing."""
    path = folder / "folds.json"
    if not path.is_file():
        raise InputError(path, "no such file", "train the folds: leave --report-only out")
    value: Any = read_json(path)
    missing = [name for name in plan.recipes if not isinstance(value, dict) or name not in value]
    if missing:
        problem = f"it has no row {missing[0]!r}"
        raise InputError(path, problem, "train the folds: leave --report-only out")
    return {name: [float(score) for score in value[name]] for name in plan.recipes}


def compare_alternatives(plan: Plan, scores: FoldScores) -> list[Alternative]:
    """Test every alternative, paired over folds, with Holm's correction."""
    pairs = [(row.name, row.against) for row in plan.trained if row.against in plan.recipes]
    tests = [seed_test(scores[name], scores[str(against)]) for name, against in pairs]
    adjusted = iter(holm([test.t_p_value for test in tests if test.t_p_value is not None]))
    return [
        Alternative(
            name=name,
            against=str(against),
            scores=tuple(scores[name]),
            reference=tuple(scores[str(against)]),
            test=test,
            adjusted=None if test.t_p_value is None else next(adjusted),
        )
        for (name, against), test in zip(pairs, tests, strict=True)
    ]
