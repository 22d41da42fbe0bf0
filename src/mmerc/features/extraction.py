"""Vectors of many utterances: in several processes, resumable, whatever the files hold."""

from __future__ import annotations

import multiprocessing
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Protocol

from mmerc.features.base import Absent, Extractor
from mmerc.features.journal import open_journal
from mmerc.features.store import FeatureRow, FeatureStore, Key
from mmerc.media.segment import Segment
from mmerc.processes import leave_with_parent

CRASHED = "the file crashed the decoder or the extractor"


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One utterance to take a vector of."""

    conversation: str
    utterance: str
    segment: Segment

    @property
    def key(self) -> Key:
        return self.conversation, self.utterance


class MakeExtractor(Protocol):
    """Makes an extractor in the process in which it works; picklable."""

    def __call__(self) -> Extractor: ...


class Engine(Protocol):
    """Runs tasks somewhere and gives their rows back as they are finished, in any order."""

    def __call__(self, tasks: Sequence[Task], make: MakeExtractor) -> Iterator[FeatureRow]: ...


@dataclass(kw_only=True)
class Progress:
    """What is done of a run, and how fast it goes."""

    total: int
    done: int
    absent: Counter[str] = field(default_factory=Counter)
    started: float = field(default_factory=time.monotonic)
    fresh: int = 0

    def count(self, row: FeatureRow) -> None:
        self.done += 1
        self.fresh += 1
        if row.vector is None:
            self.absent[row.absent_because or ""] += 1

    @property
    def rate(self) -> float:
        """Utterances a second in this run."""
        return self.fresh / max(time.monotonic() - self.started, 1e-9)

    @property
    def remaining(self) -> float:
        """Seconds until the end, as far as the rate tells."""
        return (self.total - self.done) / max(self.rate, 1e-9)


def extract_all(
    tasks: Sequence[Task],
    make: MakeExtractor,
    store: FeatureStore,
    *,
    engine: Engine,
    report: Callable[[Progress], None],
) -> Progress:
    """Take what is not in the store yet; a killed run is gone on with, no finished vector lost.

    Utterances that share their media share the work.
    """
    with open_journal(store) as journal:
        known = store.read().rows
        left = [task for task in tasks if task.key not in known]
        progress = Progress(total=len(tasks), done=len(tasks) - len(left))
        progress.absent.update(reasons(known, tasks))
        sharing: dict[Segment, list[Task]] = {}
        for task in left:
            sharing.setdefault(task.segment, []).append(task)
        first = {group[0].key: group for group in sharing.values()}
        for row in engine([group[0] for group in first.values()], make) if left else ():
            for task in first[row.conversation, row.utterance]:
                shared = replace(row, conversation=task.conversation, utterance=task.utterance)
                journal.add(shared)
                progress.count(shared)
            report(progress)
    return progress


def reasons(known: Mapping[Key, FeatureRow], tasks: Iterable[Task]) -> list[str]:
    """Why vectors that were sought before are absent."""
    rows = (known[task.key] for task in tasks if task.key in known)
    return [row.absent_because or "" for row in rows if row.vector is None]


def take(extractor: Extractor, task: Task) -> FeatureRow:
    """Vector of one task, or why there is none."""
    found = extractor.extract(task.segment)
    vector, reason = (None, found.reason) if isinstance(found, Absent) else (found, None)
    return FeatureRow(
        conversation=task.conversation,
        utterance=task.utterance,
        vector=vector,
        absent_because=reason,
    )


def crashed(task: Task) -> FeatureRow:
    """Row of a task whose media killed the process that read them."""
    return FeatureRow(
        conversation=task.conversation,
        utterance=task.utterance,
        vector=None,
        absent_because=CRASHED,
    )


def here(tasks: Sequence[Task], make: MakeExtractor) -> Iterator[FeatureRow]:
    """The engine of one process: this one."""
    extractor = make()
    for task in tasks:
        yield take(extractor, task)


@dataclass(frozen=True, slots=True)
class Workers:
    """The engine of several processes; a file that kills one of them is absent, no more."""

    count: int

    def __call__(self, tasks: Sequence[Task], make: MakeExtractor) -> Iterator[FeatureRow]:
        if self.count <= 1:
            yield from here(tasks, make)
            return
        left = list(tasks)
        while left:
            finished: set[Key] = set()
            try:
                for row in self.rows(left, make, count=self.count):
                    finished.add((row.conversation, row.utterance))
                    yield row
            except BrokenProcessPool:
                left = [task for task in left if task.key not in finished]
                yield from self.alone(left[: 2 * self.count], make)
                left = left[2 * self.count :]
            else:
                return

    @staticmethod
    def rows(tasks: Sequence[Task], make: MakeExtractor, *, count: int) -> Iterator[FeatureRow]:
        """Rows as they are finished; at most ``2 * count`` tasks are under way."""
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(count, context, initializer=begin, initargs=(make,)) as pool:
            waiting = iter(tasks)
            running = {pool.submit(work, task) for task in islice(waiting, 2 * count)}
            while running:
                finished, running = wait(running, return_when=FIRST_COMPLETED)
                running |= {pool.submit(work, task) for task in islice(waiting, len(finished))}
                whole = [future for future in finished if future.exception() is None]
                yield from (future.result() for future in whole)
                for future in finished - set(whole):
                    future.result()

    def alone(self, tasks: Sequence[Task], make: MakeExtractor) -> Iterator[FeatureRow]:
        """Each task in a process of its own: whichever breaks that is the culprit."""
        for task in tasks:
            try:
                yield from self.rows([task], make, count=1)
            except BrokenProcessPool:
                yield crashed(task)


_extractor: Extractor | None = None


def begin(make: MakeExtractor) -> None:
    """Make the extractor of this worker, which shares the cores with the others."""
    import torch

    global _extractor  # noqa: PLW0603 - a worker process has one extractor for its life
    leave_with_parent()
    torch.set_num_threads(1)
    _extractor = make()


def work(task: Task) -> FeatureRow:
    """One task in a worker."""
    if _extractor is None:
        raise RuntimeError("the worker was not begun")
    return take(_extractor, task)
