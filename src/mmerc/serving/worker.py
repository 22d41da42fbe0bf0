"""One job, in a process of its own."""

from __future__ import annotations

import os
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.errors import MmercError
from mmerc.files import atomic_directory, file_lock
from mmerc.processes import adopt_environment, leave_with_parent
from mmerc.serving.file_names import result_stem
from mmerc.serving.recording_limits import check_recording
from mmerc.serving.storage_errors import DISK_FULL, is_full

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis
    from mmerc.inference.pipeline.progress import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTask:
    """Input of a worker; ``folder`` contains the recording, and in the end its results."""

    folder: Path
    name: str
    model: str | None
    commercial_only: bool
    longest_recording: float
    memory: int
    workers: int


@dataclass(frozen=True, slots=True)
class Ended:
    """The end of a job, with the reason if it failed."""

    reason: str | None = None


def run_task(task: AnalysisTask, sender: Connection, environment: Mapping[str, str]) -> None:
    """Analyse, sending progress and the end; exit when the server does."""
    leave_with_parent()
    adopt_environment(environment)
    resource.setrlimit(resource.RLIMIT_DATA, (task.memory, task.memory))
    sender.send(Ended(_attempt(task, sender.send)))


def _attempt(task: AnalysisTask, report: Callable[[Step], None]) -> str | None:
    """Analyse, and return why it failed, if it did: a sentence without paths and content."""
    try:
        # After its server was killed, an earlier worker may still be exiting.
        with file_lock(task.folder / "lock", wait=True):
            if not (task.folder / "results").is_dir():
                _analyse(task, report)
    except MemoryError:
        return "The analysis needs more memory than the service allows."
    except Exception as error:
        if is_full(error):
            return DISK_FULL
        if isinstance(error, MmercError):
            return str(error).replace(f"{task.folder}/", "")
        if os.environ.get("MMERC_DEBUG"):
            raise
        return f"Internal error ({type(error).__name__}); please report it."
    return None


def _analyse(task: AnalysisTask, report: Callable[[Step], None]) -> None:
    """Do what ``mmerc analyze`` does, within the service's limits."""
    recording = task.folder / "recording"
    check_recording(recording, longest=task.longest_recording)
    # Only now: most files that are not recordings are refused before torch is imported.
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
        write_results(_rename_recording(analysis, task.name), staging, stem="result")


def _rename_recording(analysis: Analysis, name: str) -> Analysis:
    """The analysis with the name under which the recording was uploaded."""
    conversation = result_stem(name)
    predictions = (replace(item, conversation=conversation) for item in analysis.predictions)
    return replace(analysis, recording=name, predictions=tuple(predictions))
