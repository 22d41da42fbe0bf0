"""``mmerc reproduce``, without its command line: plan, train what is missing, write the reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.errors import MmercError, UsageError
from mmerc.executors.executor import Executor
from mmerc.experiments.decisions import run_folds
from mmerc.experiments.execution import train_all
from mmerc.experiments.plan import Choice, Plan, folder_name, make_plan
from mmerc.experiments.report.decisions import write_decisions
from mmerc.experiments.report.write import Written, write_report
from mmerc.experiments.target import targets
from mmerc.experiments.workspace import Workspace
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Recipe
from mmerc.training.reporting import Reporter

EVERYTHING = "all"
SEEDS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is to be made of which corpus, where, and with what; ``train`` off only reports."""

    corpus: CorpusSource
    out: Path
    choice: Choice
    seeds: int | None
    executor: Executor
    hardware: Hardware
    cache: RunCache
    use_cache: bool
    train: bool
    report: Reporter

    def seeds_of(self, plan: Plan) -> int:
        """As asked for; what shows a single model takes no more than it can show."""
        if self.choice.quick:
            return 1
        if plan.target.plot == "decisions":
            return self.seeds or plan.target.seeds or 1
        return min(self.seeds or SEEDS, plan.target.seeds or self.seeds or SEEDS)


def reproduce(name: str, request: Request) -> dict[str, Written]:
    """Every target's folder and rows; ``all`` goes past what cannot be had, and says why."""
    corpus = request.corpus.open()
    workspace = Workspace(
        root=request.out, corpus=corpus, quick=request.choice.quick, hardware=request.hardware
    )
    plans = plans_of(name, workspace, request)
    if request.train:
        train(plans, workspace, request)
    written: dict[str, Written] = {}
    for plan in plans:
        try:
            written[plan.name] = write(plan, workspace, request)
        except MmercError as error:
            if name != EVERYTHING:
                raise
            request.report(f"no report: {plan.name}: {error}")
    return written


def plans_of(name: str, workspace: Workspace, request: Request) -> list[Plan]:
    """One plan, or all that this corpus allows."""
    if name != EVERYTHING:
        return [make_plan(name, workspace.corpus, request.choice)]
    if request.choice.rows:
        raise UsageError("--row chooses rows of one target; name the target in place of all.")
    plans = []
    for known, paper in targets().items():
        if paper.targets[known].plot == "decisions":
            continue
        try:
            plans.append(make_plan(known, workspace.corpus, request.choice))
        except MmercError as error:
            request.report(f"left out: {known}: {error}")
    if not plans:
        raise UsageError(
            f"No target can be made of {workspace.corpus.name}; the reasons are above."
        )
    return plans


def train(plans: Sequence[Plan], workspace: Workspace, request: Request) -> None:
    """Every recipe once, however many targets it belongs to; folds by themselves."""
    work: dict[str, tuple[Recipe, int]] = {}
    for plan in plans:
        seeds = request.seeds_of(plan)
        if plan.target.plot == "decisions":
            run_folds(
                plan, workspace, source=request.corpus, seeds=seeds, executor=request.executor,
                cache=request.cache, report=request.report,
            )  # fmt: skip
            continue
        for recipe in plan.recipes.values():
            key = folder_name(recipe)
            work[key] = (recipe, max(seeds, work[key][1] if key in work else 0))
    if work:
        train_all(
            list(work.values()), workspace, source=request.corpus, executor=request.executor,
            cache=request.cache if request.use_cache else None, report=request.report,
        )  # fmt: skip


def write(plan: Plan, workspace: Workspace, request: Request) -> Written:
    """The report of a plan."""
    if plan.target.plot == "decisions":
        return write_decisions(plan, workspace)
    return write_report(plan, workspace, seeds=request.seeds_of(plan))
