"""Train the runs that a reproduction still lacks."""

from __future__ import annotations

from collections.abc import Iterable

from mmerc.executors.executor import Executor
from mmerc.experiments.reproduction.plan import Plan
from mmerc.experiments.reproduction.workspace import Workspace, folder_name, source_for
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import Run, begin, locked
from mmerc.training.job import TrainingJob
from mmerc.training.machine import finish_seed_with_machine
from mmerc.training.reporting import Reporter
from mmerc.training.run import check_splits, write_result


def train_missing(
    plans: Iterable[Plan],
    workspace: Workspace,
    *,
    source: CorpusSource,
    executor: Executor,
    cache: RunCache | None,
    report: Reporter,
) -> None:
    """Finish the planned seeds of every recipe; what is finished is never trained again.

    The first seeds of all recipes come first, so that an interrupted reproduction can be reported.
    A run is stored when it is finished, whatever happens to the others.
    """
    check_splits(workspace.corpus)
    with locked(workspace.root):
        workspace.begin()
        runs = _planned_runs(plans, workspace)
        for run, _ in runs:
            begin(run, resume=True)
        jobs = [
            TrainingJob(
                recipe=run.recipe, corpus=source_for(run.recipe, source), seed=seed,
                directory=run.seed_directory(seed).absolute(),
                name=f"{run.directory.name}, seed {seed}",
                hardware=workspace.hardware, cache=cache, report=report,
            )
            for seed in range(max(seeds for _, seeds in runs))
            for run, seeds in runs
            if seed < seeds and not (run.seed_directory(seed) / "seed.json").exists()
        ]  # fmt: skip
        report(f"{len(jobs)} of {sum(seeds for _, seeds in runs)} trainings remain")
        executor.map(finish_seed_with_machine, jobs)
        for run, _ in runs:
            write_result(run)


def _planned_runs(plans: Iterable[Plan], workspace: Workspace) -> list[tuple[Run, int]]:
    """Every recipe's run once, however many targets share it, with its number of seeds."""
    seeds: dict[str, int] = {}
    runs: dict[str, Run] = {}
    for plan in plans:
        for recipe in plan.recipes.values():
            name = folder_name(recipe)
            seeds[name] = max(plan.seeds, seeds.get(name, 0))
            runs[name] = workspace.run(recipe)
    return [(run, seeds[name]) for name, run in runs.items()]
