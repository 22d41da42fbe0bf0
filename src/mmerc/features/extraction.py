"""Extract vectors of many utterances: parallel, resumable, robust to damaged files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Protocol

from mmerc.executors.executor import Executor
from mmerc.features.base import Absent, Extractor
from mmerc.features.journal import open_journal
from mmerc.features.runs import split_runs
from mmerc.features.store import FeatureRow, FeatureStore, Key, Vector
from mmerc.free_memory import return_free_memory
from mmerc.media.segment import Segment

_CRASHED = "the file crashed the decoder or the extractor"
_RELEASE_EVERY = 8  # utterances: frames and batches of many sizes leave gaps in the memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """An utterance whose vector is to be extracted."""

    conversation: str
    utterance: str
    segment: Segment

    @property
    def key(self) -> Key:
        return self.conversation, self.utterance


class MakeExtractor(Protocol):
    """A picklable factory that builds an extractor in the process that uses it."""

    def __call__(self) -> Extractor: ...


@dataclass(kw_only=True)
class Progress:
    """Progress and speed of a run."""

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
        """Utterances per second in this run."""
        return self.fresh / max(time.monotonic() - self.started, 1e-9)

    @property
    def remaining(self) -> float:
        """Estimated remaining seconds."""
        return (self.total - self.done) / max(self.rate, 1e-9)


def extract_all(
    tasks: Sequence[Task],
    make: MakeExtractor,
    store: FeatureStore,
    *,
    executor: Executor,
    report: Callable[[Progress], None],
) -> Progress:
    """Extract all vectors missing in the store; an interrupted run resumes without loss.

    Utterances with the same media are extracted once.
    """
    with open_journal(store) as journal:
        stored = store.read().rows
        remaining = [task for task in tasks if task.key not in stored]
        progress = Progress(total=len(tasks), done=len(tasks) - len(remaining))
        progress.absent.update(_reasons(stored, tasks))
        sharing: dict[Segment, list[Task]] = {}
        for task in remaining:
            sharing.setdefault(task.segment, []).append(task)
        first = {group[0].key: group for group in sharing.values()}
        for row in _extract_rows([group[0] for group in first.values()], make, executor):
            for task in first[row.conversation, row.utterance]:
                shared = replace(row, conversation=task.conversation, utterance=task.utterance)
                journal.add(shared)
                progress.count(shared)
            report(progress)
    return progress


def _extract_rows(
    tasks: Sequence[Task], make: MakeExtractor, executor: Executor
) -> Iterator[FeatureRow]:
    """Extract the tasks' rows in runs (``split_runs``); those of a crashed run one by one."""
    runs = [[task] for task in tasks]
    if executor.jobs > 1:
        clips = [task.segment.film for task in tasks]
        films = [None if clip is None else clip.path for clip in clips]
        runs = [[tasks[n] for n in run] for run in split_runs(films, processes=executor.jobs)]
    missing = {task.key: task for task in tasks}
    while runs:
        for rows in executor.stream(partial(_prepare_extractor, make), runs, lost=_crashed):
            for row in rows:
                del missing[row.conversation, row.utterance]
                yield row
        runs = [[task] for task in missing.values()]


def _reasons(stored: Mapping[Key, FeatureRow], tasks: Iterable[Task]) -> list[str]:
    """Return why vectors of earlier runs are absent."""
    rows = (stored[task.key] for task in tasks if task.key in stored)
    return [row.absent_because or "" for row in rows if row.vector is None]


def _prepare_extractor(make: MakeExtractor) -> Callable[[Sequence[Task]], list[FeatureRow]]:
    """Build the extractor of a process; return the function that extracts the vectors of a run."""
    extractor, numbers = make(), count(1)

    def extract(task: Task) -> FeatureRow:
        row = build_row(task, extractor.extract(task.segment))
        if next(numbers) % _RELEASE_EVERY == 0:
            return_free_memory()
        return row

    return lambda run: list(map(extract, run))


def build_row(task: Task, outcome: Vector | Absent) -> FeatureRow:
    """Build the row for a task from the extractor's result."""
    vector, reason = (None, outcome.reason) if isinstance(outcome, Absent) else (outcome, None)
    return FeatureRow(
        conversation=task.conversation,
        utterance=task.utterance,
        vector=vector,
        absent_because=reason,
    )


def _crashed(run: Sequence[Task]) -> list[FeatureRow]:
    """Build the row of a task whose media crashed its process; none for several tasks."""
    if len(run) > 1:
        return []
    (task,) = run
    return [
        FeatureRow(
            conversation=task.conversation,
            utterance=task.utterance,
            vector=None,
            absent_because=_CRASHED,
        )
    ]
