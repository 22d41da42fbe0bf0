"""Training what a reproduction still lacks."""

from __future__ import annotations

from collections.abc import Sequence

from mmerc.executors.executor import Executor
from mmerc.experiments.machine import describe_machine
from mmerc.experiments.workspace import Workspace, source_for
from mmerc.files import write_json
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.folder import begin, locked
from mmerc.training.job import TrainingJob
from mmerc.training.recipe import Recipe
from mmerc.training.reporting import Reporter
from mmerc.training.run import check_splits, write_result
from mmerc.training.seed import fetch_seed, finish_seed

MACHINE = "machine.json"


def train_all(
    work: Sequence[tuple[Recipe, int]],
    workspace: Workspace,
    *,
    source: CorpusSource,
    executor: Executor,
    cache: RunCache | None,
    report: Reporter,
) -> None:
    """Finish that many seeds of every recipe; what is finished is never trained again.

    First all recipes' first seeds, so that an interrupted reproduction can be looked at. A run is
    kept as it is finished, whatever becomes of the others.
    """
    check_splits(workspace.corpus)
    with locked(workspace.root):
        workspace.begin()
        runs = [(workspace.run(recipe), seeds) for recipe, seeds in work]
        for run, _ in runs:
            begin(run, resume=True)
        jobs = [
            TrainingJob(
                recipe=run.recipe, corpus=source_for(run.recipe, source), seed=seed,
                directory=run.seed_directory(seed).absolute(),
                name=f"{run.directory.name}, seed {seed}",
                hardware=workspace.hardware, cache=cache, report=report,
            )
            for seed in range(max(seeds for _, seeds in work))
            for run, seeds in runs
            if seed < seeds and not (run.seed_directory(seed) / "seed.json").exists()
        ]  # fmt: skip
        report(f"{len(jobs)} of {sum(seeds for _, seeds in work)} trainings are to be done")
        executor.map(finish_and_note_machine, jobs)
        for run, _ in runs:
            write_result(run)


def finish_and_note_machine(job: TrainingJob) -> None:
    """Train one seed, or take it from the cache, and note on what machine it was trained."""
    if not fetch_seed(job):
        write_json(job.directory / MACHINE, describe_machine(job.hardware, job.recipe))
        finish_seed(job)
