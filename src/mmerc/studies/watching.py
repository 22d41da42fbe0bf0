"""Watch a folder and analyse new recordings when they are complete."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from pathlib import Path

from mmerc.studies.run_study import StudyResult
from mmerc.studies.study_plan import StudyPlan
from mmerc.studies.study_recordings import RecordingOutcome, StudyRecording

_State = tuple[tuple[str, int, int], ...]


@dataclass(kw_only=True)
class FolderWatch:
    """Checks a folder every ``interval`` seconds and analyses new, stable recordings.

    ``plan`` lists the folder; ``analyse`` analyses a plan, given the recordings that need not be
    checked again. A recording is stable if its files did not change between two checks.
    """

    plan: Callable[[], StudyPlan]
    analyse: Callable[[StudyPlan, Collection[str]], StudyResult]
    interval: float
    seen: dict[str, _State] = field(default_factory=dict)
    analysed: dict[str, tuple[StudyRecording, _State]] = field(default_factory=dict)
    failed: tuple[RecordingOutcome, ...] = ()
    result: StudyResult | None = None

    def run(self, *, until_idle: float | None = None) -> StudyResult | None:
        """Watch until nothing has happened for ``until_idle`` seconds (None: forever).

        Return the last result; None if nothing was analysed. Ctrl-C while waiting also ends it.
        """
        idle_since = time.monotonic()
        while True:
            if self.look():
                idle_since = time.monotonic()
            elif until_idle is not None and time.monotonic() - idle_since >= until_idle:
                return self.result
            try:
                time.sleep(self.interval)
            except KeyboardInterrupt:
                return self.result

    def look(self) -> bool:
        """Check once; return whether anything is new, changed or still growing."""
        plan = self.plan()
        states = {item.name: _read_state(item) for item in plan.recordings}
        stable = [item for item in plan.recordings if self.seen.get(item.name) == states[item.name]]
        growing = len(stable) < len(plan.recordings)
        self.seen = states
        current = {item.name: (item, states[item.name]) for item in stable}
        fresh = {name for name, state in current.items() if self.analysed.get(name) != state}
        if not fresh and (plan.failed == self.failed or growing):
            return growing
        finished = (
            set()
            if self.result is None
            else {item.name for item in self.result.outcomes if item.state != "failed"}
        )
        trusted = (finished & current.keys()) - fresh
        waiting = [name for name in current if name not in fresh | trusted]
        shorter = tuple(item for item in stable if item.name not in waiting)
        earlier = (
            ()
            if self.result is None
            else tuple(item for item in self.result.failed if item.name in waiting)
        )
        self.result = self.analyse(
            replace(plan, recordings=shorter, failed=(*plan.failed, *earlier)), trusted
        )
        self.analysed, self.failed = current, plan.failed
        return True


def _read_state(recording: StudyRecording) -> _State:
    """Return size and modification time of a recording's files; -1 if inaccessible."""
    return tuple((role, *_stat(path)) for role, path in recording.inputs.items())


def _stat(path: Path) -> tuple[int, int]:
    """Return size and modification time of a file; -1 if inaccessible."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns
