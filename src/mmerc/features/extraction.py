"""Vectors of many utterances: in several processes, resumable, whatever the files hold."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from mmerc.executors.executor import Executor
from mmerc.features.base import Absent, Extractor
from mmerc.features.journal import open_journal
from mmerc.features.store import FeatureRow, FeatureStore, Key
from mmerc.media.segment import Segment

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
    executor: Executor,
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
        once = [group[0] for group in first.values()]
        rows = executor.stream(partial(prepare, make), once, lost=crashed) if once else ()
        for row in rows:
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


def prepare(make: MakeExtractor) -> Callable[[Task], FeatureRow]:
    """Make the extractor of a process; returns the function that takes the vector of a task."""
    return partial(take, make())


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
