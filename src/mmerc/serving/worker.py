"""One job, in a process of its own."""

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
from mmerc.processes import adopt_environment, leave_with_parent
from mmerc.serving.file_names import result_stem
from mmerc.serving.recording_limits import check_recording
from mmerc.serving.storage_errors import DISK_FULL, is_full
from mmerc.serving.worker_process import start_heartbeat

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis
    from mmerc.inference.pipeline.pipeline import Pipeline
    from mmerc.inference.pipeline.progress import Step
    from mmerc.prediction.set_request import SetRequest

_END = "end.json"  # among the results: what could not be done
Outcome = Literal["done", "partial", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalysisTask:
    """Input of a worker; ``folder`` contains the recording, and in the end its results.

    ``corrected``: the folder of an analysed job whose corrected lines are predicted again instead.
    ``sets``: the prediction sets that are asked for.
    """

    folder: Path
    name: str
    corrected: Path | None
    sets: SetRequest | None
    model: str | None
    commercial_only: bool
    longest_recording: float
    memory: int
    workers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The end of a job: why it failed, if it did, or what it could not do.

    ``shortfalls``: a sentence for each part that could not be done. ``duration``: seconds of the
    recording.
    """

    failure: str | None = None
    shortfalls: tuple[str, ...] = ()
    duration: float | None = None

    @property
    def outcome(self) -> Outcome:
        """The state in which the job ends."""
        return "failed" if self.failure else "partial" if self.shortfalls else "done"

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the job is not done, or not all of it."""
        return (self.failure,) if self.failure else self.shortfalls


def run_task(task: AnalysisTask, sender: Connection, environment: Mapping[str, str]) -> None:
    """Analyse, sending progress and the end; exit when the server does."""
    leave_with_parent()
    send = start_heartbeat(sender)
    adopt_environment(environment)
    resource.setrlimit(resource.RLIMIT_DATA, (task.memory, task.memory))
    send(_attempt(task, send))


def _attempt(task: AnalysisTask, report: Callable[[Step], None]) -> Ended:
    """Analyse, and return how it ended; the sentences have no paths and no content."""
    try:
        # After its server was killed, an earlier worker may still be exiting.
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
    """How an analysis ended whose results are written, perhaps by an earlier worker."""
    if not path.is_file():  # of an earlier version
        return Ended()
    content = json.loads(path.read_text(encoding="utf-8"))
    return Ended(shortfalls=tuple(content["shortfalls"]), duration=content["duration"])


def _analyse(task: AnalysisTask, report: Callable[[Step], None]) -> None:
    """Do what ``mmerc analyze`` does, within the service's limits."""
    recording = task.folder / "recording"
    check_recording(recording, longest=task.longest_recording)
    # Only now: most files that are not recordings are refused before torch is imported.
    from mmerc.inference.results import write_results

    analysis = _load_pipeline(task)(
        recording,
        subtitles=next(task.folder.glob("subtitles.*"), None),
        work=task.folder / "work",
        report=report,
    )
    with atomic_directory(task.folder / "results") as staging:
        write_results(_rename_recording(analysis, task.name), staging, stem="result")
        end = {"shortfalls": analysis.shortfalls, "duration": analysis.duration}
        (staging / _END).write_text(json.dumps(end), encoding="utf-8")


def _load_pipeline(task: AnalysisTask) -> Pipeline:
    """The service's model, with what it needs to analyse recordings."""
    from mmerc.inference.pipeline.pipeline import Pipeline

    return Pipeline.from_pretrained(
        task.model,
        commercial_only=task.commercial_only,
        workers=task.workers,
        sets=task.sets,
    )


def _predict_again(folder: Path, task: AnalysisTask, report: Callable[[Step], None]) -> None:
    """Predict what people changed in another job's analysis."""
    from mmerc.serving.corrected_job import predict_job_again

    predict_job_again(folder, name=task.name, load=lambda: _load_pipeline(task), report=report)


def _rename_recording(analysis: Analysis, name: str) -> Analysis:
    """The analysis with the name under which the recording was uploaded."""
    conversation = result_stem(name)
    predictions = (replace(item, conversation=conversation) for item in analysis.predictions)
    return replace(analysis, recording=name, predictions=tuple(predictions))
