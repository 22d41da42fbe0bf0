"""The implementation of ``mmerc reproduce``: plan, train missing runs, write reports."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import MmercError, UsageError
from mmerc.executors.executor import Executor
from mmerc.experiments.reproduction.catalogue import target_files
from mmerc.experiments.reproduction.fold_report import report_folds
from mmerc.experiments.reproduction.folds import run_folds
from mmerc.experiments.reproduction.measure import measure
from mmerc.experiments.reproduction.plan import Plan, PlanOptions, make_plan
from mmerc.experiments.reproduction.report import WrittenReport, report_target
from mmerc.experiments.reproduction.training import train_missing
from mmerc.experiments.reproduction.workspace import Workspace
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware
from mmerc.training.reporting import Reporter
from mmerc.training.run import check_splits

_ALL_TARGETS = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionSettings:
    """Corpus, output folder and training settings; without ``train`` only reports are written.

    Folds always use the cache, even without ``use_cache``, as their only result is stored there.
    """

    corpus: CorpusSource
    out: Path
    options: PlanOptions
    executor: Executor
    hardware: Hardware
    cache: RunCache
    use_cache: bool
    train: bool
    report: Reporter


def reproduce(name: str, settings: ReproductionSettings) -> dict[str, WrittenReport]:
    """Reproduce a target, or ``all``; return the reports by target.

    ``all`` skips targets that are impossible with the corpus, and reports why.
    """
    corpus = settings.corpus.open()
    plans = _make_plans(name, corpus, settings)
    workspace = Workspace(root=settings.out, source=settings.corpus, corpus=corpus)
    if settings.train:
        check_splits(corpus)
        with workspace.begin():
            _train(plans, workspace, settings)
    version = workspace.check()
    reports: dict[str, WrittenReport] = {}
    for plan in plans:
        try:
            reports[plan.name] = _report(plan, workspace, settings.hardware, version)
        except MmercError as error:
            if name != _ALL_TARGETS:
                raise
            settings.report(f"no report: {plan.name}: {error}")
    return reports


def _make_plans(name: str, corpus: PreparedCorpus, settings: ReproductionSettings) -> list[Plan]:
    options = settings.options
    if name != _ALL_TARGETS:
        return [make_plan(name, corpus, options)]
    if options.rows:
        raise UsageError("--row selects rows of one target; name the target instead of all.")
    plans = []
    for target, file in target_files(options.targets).items():
        if file.paper.targets[target].uses_folds:
            continue
        try:
            plans.append(make_plan(target, corpus, options))
        except MmercError as error:
            settings.report(f"left out: {target}: {error}")
    if not plans:
        raise UsageError(f"No target can be reproduced on {corpus.name}; the reasons are above.")
    return plans


def _train(plans: list[Plan], workspace: Workspace, settings: ReproductionSettings) -> None:
    for plan in (plan for plan in plans if plan.uses_folds):
        run_folds(
            workspace.planned_runs([plan]), workspace.runs(plan), workspace.root / plan.folder,
            hardware=settings.hardware, executor=settings.executor, cache=settings.cache,
            report=settings.report,
        )  # fmt: skip
    planned = workspace.planned_runs(plan for plan in plans if not plan.uses_folds)
    if planned:
        train_missing(
            planned, hardware=settings.hardware, executor=settings.executor,
            cache=settings.cache if settings.use_cache else None, report=settings.report,
        )  # fmt: skip


def _report(
    plan: Plan, workspace: Workspace, hardware: Hardware, version: str | None
) -> WrittenReport:
    folder = workspace.root / plan.folder
    if plan.uses_folds:
        return report_folds(plan, workspace.corpus, folder, version=version)
    results = measure(plan, workspace.runs(plan), hardware=hardware)
    return report_target(plan, results, workspace.corpus, folder, version=version)
