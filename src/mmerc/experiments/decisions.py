"""What a paper leaves open, settled by folds over training conversations.

Each ``[decided]`` and its alternative are trained on the same folds; what counts is the difference
fold by fold. Neither the validation split nor the test split is in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mmerc.errors import InputError
from mmerc.evaluation.significance import SeedTest, Summary, holm, seed_test, summarise
from mmerc.executors.executor import Executor
from mmerc.experiments.plan import Plan, folder_name
from mmerc.experiments.workspace import Workspace, source_for
from mmerc.files import read_json, write_json
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource, Fold
from mmerc.training.folder import locked
from mmerc.training.job import TrainingJob
from mmerc.training.reporting import Reporter
from mmerc.training.validation import validate

FOLDS = 5
Folds = Mapping[str, list[float]]  # weighted F1 of every fold and seed, by row


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """An alternative against what was decided, fold by fold."""

    name: str
    against: str
    scores: tuple[float, ...]
    reference: tuple[float, ...]
    test: SeedTest
    adjusted: float | None

    @property
    def differences(self) -> list[float]:
        """Alternative less decided, fold by fold."""
        return [one - other for one, other in zip(self.scores, self.reference, strict=True)]

    @property
    def spread(self) -> Summary:
        """Mean and deviation of the differences."""
        return summarise(self.differences)


def run_folds(
    plan: Plan,
    workspace: Workspace,
    *,
    source: CorpusSource,
    seeds: int,
    executor: Executor,
    cache: RunCache,
    report: Reporter,
) -> None:
    """Train every row on every fold; what the list of tries has already is not trained again."""
    with locked(workspace.root):
        workspace.begin()
        folder = workspace.root / plan.folder
        names = [
            (recipe, fold, seed, f"{folder_name(recipe)}-{fold}-{seed}")
            for seed in range(seeds)
            for recipe in plan.recipes.values()
            for fold in range(FOLDS)
        ]
        jobs = [
            TrainingJob(
                recipe=recipe, seed=seed, name=name, directory=(folder / f".{name}").absolute(),
                corpus=source_for(recipe, replace(source, fold=Fold(number=fold, folds=FOLDS))),
                hardware=workspace.hardware, cache=cache, report=report,
            )
            for recipe, fold, seed, name in names
        ]  # fmt: skip
        scores = iter(executor.map(fold_score, jobs))
        found: dict[str, list[float]] = {name: [] for name in plan.recipes}
        for _ in range(seeds):
            for name in plan.recipes:
                found[name] += [next(scores) for _ in range(FOLDS)]
        write_json(folder / "folds.json", found)


def fold_score(job: TrainingJob) -> float:
    """Weighted F1 of the best epoch on the fold's held-out conversations."""
    score = validate(job)
    job.say(f"{score:.2f}")
    return score


def read_folds(plan: Plan, workspace: Workspace) -> Folds:
    """What ``run_folds`` left; InputError naming what is missing."""
    path = workspace.root / plan.folder / "folds.json"
    if not path.is_file():
        raise InputError(path, "no such file", "train the folds: leave --report-only out")
    value: Any = read_json(path)
    missing = [name for name in plan.recipes if not isinstance(value, dict) or name not in value]
    if missing:
        problem = f"it has no row {missing[0]!r}"
        raise InputError(path, problem, "train the folds: leave --report-only out")
    return {name: [float(score) for score in value[name]] for name in plan.recipes}


def decide(plan: Plan, folds: Folds) -> list[Decision]:
    """Every alternative with its paired test, Holm's correction over all of them."""
    pairs = [(row.name, row.against) for row in plan.trained if row.against in plan.recipes]
    tests = [seed_test(folds[name], folds[str(against)]) for name, against in pairs]
    known = [test.t_p_value for test in tests if test.t_p_value is not None]
    adjusted = iter(holm(known))
    return [
        Decision(
            name=name,
            against=str(against),
            scores=tuple(folds[name]),
            reference=tuple(folds[str(against)]),
            test=test,
            adjusted=None if test.t_p_value is None else next(adjusted),
        )
        for (name, against), test in zip(pairs, tests, strict=True)
    ]
