"""Run one job in a separate process."""

from __future__ import annotations

import json
import os
import resource
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mmerc.errors import MmercError
from mmerc.files import atomic_directory, file_lock
from mmerc.processes import adopt_environment, end_with_parent
from mmerc.serving.file_names import result_stem
from mmerc.serving.recording_limits import check_recording
from mmerc.serving.storage_errors import DISK_FULL, is_full
from mmerc.serving.worker_process import start_heartbeat

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis
    from mmerc.inference.pipeline.pipeline import Pipeline
    from mmerc.inference.pipeline.progress import Step
    from mmerc.prediction.set_request import SetRequest

_END = "end.json"  # stored with the results: parts that failed
Outcome = Literal["done", "partial", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTask:
    """Input of a worker; ``folder`` contains the recording and later its results.

    ``corrected``: the folder of an analysed job whose edited lines are predicted again instead.
    ``sets``: the requested prediction sets. ``cut``: why the end of the recording is missing.
    """

    folder: Path
    name: str
    corrected: Path | None
    sets: SetRequest | None
    cut: str | None
    model: str | None
    commercial_only: bool
    longest_recording: float
    memory: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a job: the failure, if any, or the parts that failed.

    ``shortfalls``: a sentence for each part that failed. ``duration``: of the recording, in
    seconds.
    """

    failure: str | None = None
    shortfalls: tuple[str, ...] = ()
    duration: float | None = None

    @property
    def outcome(self) -> Outcome:
        """The final state of the job."""
        return "failed" if self.failure else "partial" if self.shortfalls else "done"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Sentences on why the job failed or is partial."""
        return (self.failure,) if self.failure else self.shortfalls


def run_task(task: AnalysisTask, sender: Connection, environment: Mapping[str, str]) -> None:
    """Analyse, send progress and the end; exit together with the server."""
    end_with_parent()
    send = start_heartbeat(sender)
    adopt_environment(environment)
    resource.setrlimit(resource.RLIMIT_DATA, (task.memory, task.memory))
    send(_attempt(task, send))


def _attempt(task: AnalysisTask, report: Callable[[Step], None]) -> Ended:
    """Analyse and return the end; sentences contain no paths and no content."""
    try:
        # If a server was killed, its worker may still be exiting.
        with file_lock(task.folder / "lock", wait=True):
            if task.corrected is not None:
                _predict_again(task.corrected, task, report)
                return Ended()
            if not (task.folder / "results").is_dir():
                _analyse(task, report)
            return _read_end(task.folder / "results" / _END)
    except MemoryError:
        return Ended(failure="The analysis needs more memory than the service allows.")
    except Exception as error:
        if is_full(error):
            return Ended(failure=DISK_FULL)
        if isinstance(error, MmercError):
            return Ended(failure=_without_paths(str(error), task))
        if os.environ.get("MMERC_DEBUG"):
            raise
        return Ended(failure=f"Internal error ({type(error).__name__}); please report it.")


def _without_paths(sentence: str, task: AnalysisTask) -> str:
    for folder in filter(None, (task.folder, task.corrected)):
        sentence = sentence.replace(f"{folder}/", "")
    return sentence


def _read_end(path: Path) -> Ended:
    """Read the end of an analysis with existing results, perhaps from an earlier worker."""
    if not path.is_file():  # written by an earlier version
        return Ended()
    content = json.loads(path.read_text(encoding="utf-8"))
    return Ended(shortfalls=tuple(content["shortfalls"]), duration=content["duration"])


def _analyse(task: AnalysisTask, report: Callable[[Step], None]) -> None:
    """Analyse like ``mmerc analyze``, within the service's limits."""
    recording = task.folder / "recording"
    check_recording(recording, longest=task.longest_recording)
    # Imports torch only now, after most files that are not recordings were refused.
    from mmerc.inference.analysis import add_shortfall
    from mmerc.inference.results import write_results

    analysis = _load_pipeline(task)(
        recording,
        subtitles=next(task.folder.glob("subtitles.*"), None),
        work=task.folder / "work",
        report=report,
    )
    if task.cut is not None:
        analysis = add_shortfall(analysis, task.cut)
    with atomic_directory(task.folder / "results") as staging:
        write_results(_rename_recording(analysis, task.name), staging, stem="result")
        end = {"shortfalls": analysis.shortfalls, "duration": analysis.duration}
        (staging / _END).write_text(json.dumps(end), encoding="utf-8")


def _load_pipeline(task: AnalysisTask) -> Pipeline:
    """Load the pipeline with the service's model."""
    from mmerc.inference.pipeline.pipeline import Pipeline

    return Pipeline.from_pretrained(
        task.model,
        commercial_only=task.commercial_only,
        workers=task.workers,
        sets=task.sets,
    )


def _predict_again(folder: Path, task: AnalysisTask, report: Callable[[Step], None]) -> None:
    """Predict the edited lines of another job's analysis."""
    from mmerc.serving.corrected_job import predict_job_again

    predict_job_again(folder, name=task.name, load=lambda: _load_pipeline(task), report=report)


def _rename_recording(analysis: Analysis, name: str) -> Analysis:
    """Give the analysis the name of the uploaded recording."""
    conversation = result_stem(name)
    predictions = (replace(item, conversation=conversation) for item in analysis.predictions)
    return replace(analysis, recording=name, predictions=tuple(predictions))
