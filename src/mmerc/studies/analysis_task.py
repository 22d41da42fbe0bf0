"""The task of a study's workers; creating and sending it loads no models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mmerc.studies.fetched_recording import locate
from mmerc.studies.remote_results import RemoteResults
from mmerc.studies.study_file import StudySettings
from mmerc.studies.study_recordings import RecordingOutcome, State, StudyRecording

# Imported once for all workers. The command itself does not import torch, which would take longer
# than an update of many studies without changes.
NEEDED_BY_WORKERS = ("mmerc.studies.recording_analysis",)


@dataclass(frozen=True, slots=True, kw_only=True)
class PrepareAnalyzer:
    """A picklable factory, called once per worker, of the function that analyses a recording.

    ``model_fingerprint`` identifies the model's weights, ``code_fingerprint`` the code of this
    machine, also if other machines analyse. ``again``: also analyse finished
    recordings. ``study`` is the folder of the results, unless they are ``remote``.
    """

    study: Path
    settings: StudySettings
    model_fingerprint: str
    code_fingerprint: str
    again: bool = False
    remote: RemoteResults | None = None

    def __call__(self) -> Callable[[StudyRecording], RecordingOutcome]:
        from mmerc.studies.recording_analysis import RecordingAnalyzer

        return RecordingAnalyzer(self)


def fail_lost(recording: StudyRecording) -> RecordingOutcome:
    """Return the outcome of a recording whose analysis killed its process, even alone."""
    reason = "its analysis killed the process (a damaged file, or too little memory)"
    return build_outcome(recording, "failed", reason=reason)


def build_outcome(recording: StudyRecording, state: State, *, reason: str = "") -> RecordingOutcome:
    """Build the outcome of a recording, with its path or URL."""
    file = str(locate(recording))
    return RecordingOutcome(name=recording.name, file=file, state=state, reason=reason)
