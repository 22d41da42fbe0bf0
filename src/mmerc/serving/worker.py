"""One job in a process of its own."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.errors import MmercError
from mmerc.files import atomic_directory, file_lock
from mmerc.processes import leave_with_parent
from mmerc.serving.file_names import stem_of
from mmerc.serving.recording_limits import check_recording
from mmerc.serving.storage_errors import NO_ROOM, is_full

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis
    from mmerc.inference.pipeline.progress import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What a worker needs to know; ``folder`` holds the recording, and its results at the end."""

    folder: Path
    name: str
    model: str | None
    commercial_only: bool
    longest_recording: float
    memory: int
    workers: int


@dataclass(frozen=True, slots=True)
class Ended:
    """A job's end, and the reason where it failed."""

    reason: str | None = None


def work(task: Task, said: Connection) -> None:
    """Analyse, and say how far it is and how it ended; leave when the server does."""
    leave_with_parent()
    resource.setrlimit(resource.RLIMIT_DATA, (task.memory, task.memory))
    said.send(Ended(outcome(task, said.send)))


def outcome(task: Task, report: Callable[[Step], None]) -> str | None:
    """Why the job failed, if it did: a sentence without paths, and never what was said or heard."""
    try:
        # The worker before may still be leaving, its server killed.
        with file_lock(task.folder / "lock", wait=True):
            if not (task.folder / "results").is_dir():
                analyse(task, report)
    except MemoryError:
        return "It takes more memory than the service allows."
    except Exception as error:
        if is_full(error):
            return NO_ROOM
        if isinstance(error, MmercError):
            return str(error).replace(f"{task.folder}/", "")
        if os.environ.get("MMERC_DEBUG"):
            raise
        return f"A fault of mmerc itself ({type(error).__name__}); report it please."
    return None


def analyse(task: Task, report: Callable[[Step], None]) -> None:
    """What ``mmerc analyze`` does, within bounds."""
    recording = task.folder / "recording"
    check_recording(recording, longest=task.longest_recording)
    # Only now: most of what is no recording is refused before torch is there.
    from mmerc.inference.pipeline.pipeline import Pipeline
    from mmerc.inference.results import write_results

    pipeline = Pipeline.from_pretrained(
        task.model, commercial_only=task.commercial_only, workers=task.workers
    )
    analysis = pipeline(
        recording,
        subtitles=next(task.folder.glob("subtitles.*"), None),
        work=task.folder / "work",
        report=report,
    )
    with atomic_directory(task.folder / "results") as staging:
        write_results(named(analysis, task.name), staging, stem="result")


def named(analysis: Analysis, name: str) -> Analysis:
    """The analysis of the recording under the name that its owner knows."""
    conversation = stem_of(name)
    predictions = (replace(item, conversation=conversation) for item in analysis.predictions)
    return replace(analysis, recording=name, predictions=tuple(predictions))
