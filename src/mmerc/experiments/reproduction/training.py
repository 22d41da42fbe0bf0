"""Train the missing runs of a reproduction."""

from __future__ import annotations

from collections.abc import Sequence

from mmerc.executors.executor import Executor
from mmerc.experiments.reproduction.workspace import PlannedRun
from mmerc.training.cache import RunCache
from mmerc.training.folder import begin
from mmerc.training.hardware import Hardware
from mmerc.training.job import TrainingJob
from mmerc.training.machine import finish_seed_with_machine
from mmerc.training.reporting import Reporter
from mmerc.training.run import write_result


def train_missing(
    planned: Sequence[PlannedRun],
    *,
    hardware: Hardware,
    executor: Executor,
    cache: RunCache | None,
    report: Reporter,
) -> None:
    """Train all unfinished planned seeds.

    The first seeds of all runs come first, so that an interrupted reproduction can be reported.
    Each run is stored when it is finished, independently of the others.
    """
    for item in planned:
        begin(item.run, resume=True)
    jobs = [
        TrainingJob(
            recipe=item.run.recipe, corpus=item.source, seed=seed,
            directory=item.run.seed_directory(seed).absolute(),
            name=f"{item.run.directory.name}, seed {seed}",
            hardware=hardware, cache=cache, report=report,
        )
        for seed in range(max(item.seeds for item in planned))
        for item in planned
        if seed < item.seeds and not (item.run.seed_directory(seed) / "seed.json").exists()
    ]  # fmt: skip
    report(f"{len(jobs)} of {sum(item.seeds for item in planned)} trainings remain")
    executor.map(finish_seed_with_machine, jobs)
    for item in planned:
        write_result(item.run)
