"""Training what a reproduction still lacks, here or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from mmerc.data.corpus import PreparedCorpus
from mmerc.experiments.cluster import run_on_cluster
from mmerc.experiments.machine import describe_machine
from mmerc.experiments.workspace import CorpusSource, Workspace, corpus_for, open_corpus
from mmerc.files import write_json
from mmerc.training.cache import RunCache, seed_key
from mmerc.training.folder import Run, begin, locked
from mmerc.training.hardware import Hardware
from mmerc.training.parallel import run_all
from mmerc.training.recipe import Recipe
from mmerc.training.run import check_splits, write_result
from mmerc.training.seed import SeedTask, finish_seed
from mmerc.training.selection import Report

MACHINE = "machine.json"
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workers:
    """Where trainings run: ``jobs`` of them at a time, here or on a Ray cluster."""

    jobs: int = 1
    engine: Literal["local", "ray"] = "local"

    def run(self, function: Callable[[Item], Outcome], items: Sequence[Item]) -> list[Outcome]:
        """Results in the order of the items."""
        if self.engine == "ray":
            return run_on_cluster(function, items, jobs=self.jobs)
        return run_all(function, items, jobs=self.jobs)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSeed:
    """One training, as it travels to a worker: the corpus by its path."""

    corpus: CorpusSource
    directory: Path
    recipe: Recipe
    seed: int
    hardware: Hardware
    cache: RunCache | None
    report: Report


def train_all(
    work: Sequence[tuple[Recipe, int]],
    workspace: Workspace,
    *,
    source: CorpusSource,
    workers: Workers,
    cache: RunCache | None,
    report: Report,
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
        tasks = [
            PlannedSeed(
                corpus=source, directory=run.directory.absolute(),
                recipe=run.recipe, seed=seed, hardware=workspace.hardware, cache=cache,
                report=report,
            )
            for seed in range(max(seeds for _, seeds in work))
            for run, seeds in runs
            if seed < seeds and not (run.seed_directory(seed) / "seed.json").exists()
        ]  # fmt: skip
        report(f"{len(tasks)} of {sum(seeds for _, seeds in work)} trainings are to be done")
        workers.run(finish_planned, tasks)
        for run, _ in runs:
            write_result(run)


READ: dict[tuple[Path, bool], PreparedCorpus] = {}  # by folder and size, in each process


def worker_corpus(source: CorpusSource) -> PreparedCorpus:
    """The corpus, read once a process."""
    key = (source.path, source.quick)
    if key not in READ:
        READ.clear()
        READ[key] = open_corpus(source)
    return READ[key]


def finish_planned(task: PlannedSeed) -> None:
    """Train one seed, or take it from the cache, and note on what machine it was trained."""
    corpus = corpus_for(task.recipe, worker_corpus(task.corpus))
    run = Run(directory=task.directory, recipe=task.recipe, corpus=corpus)
    directory = run.seed_directory(task.seed)
    key = seed_key(run.recipe, corpus, task.seed, task.hardware)

    def say(line: str) -> None:
        task.report(f"{run.directory.name}, {line}")

    if task.cache is not None and task.cache.fetch(key, directory):
        say(f"seed {task.seed}: taken from the cache")
        return
    write_json(directory / MACHINE, describe_machine(task.hardware, task.recipe))
    finish_seed(
        SeedTask(run=run, seed=task.seed, hardware=task.hardware, cache=task.cache, report=say)
    )
