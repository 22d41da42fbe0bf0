"""Analyse one recording of a study, in a worker process."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from dataclasses import astuple, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from mmerc.conversation import MODALITIES
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.features.base import Extractor
from mmerc.features.registry import NamedExtractor
from mmerc.files import atomic_directory, fingerprint, write_json
from mmerc.inference.analysis import Analysis
from mmerc.inference.pipeline import Pipeline
from mmerc.inference.pipeline.work_folder import discard_work
from mmerc.inference.results import check_results, link_recording, write_results
from mmerc.studies.analysis_task import PrepareAnalyzer, build_outcome
from mmerc.studies.fetched_recording import fetched, fingerprint_inputs, locate
from mmerc.studies.sources import choose_source, read_transcript_without
from mmerc.studies.study_folder import RECORD, StudyFolder
from mmerc.studies.study_recordings import RecordingOutcome, StudyRecording
from mmerc.version import __version__

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}


class RecordingAnalyzer:
    """Analyses recordings one after the other, loading models once."""

    def __init__(self, task: PrepareAnalyzer) -> None:
        self.task = task
        self.folder = StudyFolder(task.study) if task.remote is None else task.remote.copy

    @cached_property
    def pipeline(self) -> Pipeline:
        """The pipeline, loaded on first use."""
        settings = self.task.settings
        pipeline = Pipeline.from_pretrained(
            settings.model,
            commercial_only=settings.commercial_only,
            face=settings.face,
            whisper=settings.whisper,
            language=settings.language,
            speakers=settings.speakers,
            diarizer=settings.diarizer,
            workers=1,
            live=settings.live,
            sets=settings.set_request,
        )
        pipeline.extractors = {
            modality: _SharedExtractor(*astuple(build))
            if isinstance(build, NamedExtractor)
            else build
            for modality, build in pipeline.extractors.items()
        }
        return pipeline

    def __call__(self, recording: StudyRecording) -> RecordingOutcome:
        """Analyse a recording unless its results are up to date.

        Raises only errors that affect all recordings: a full disk, or a model that cannot be
        loaded.
        """
        try:
            key = self.fingerprint(recording)
            if not self.task.again and self.find_key(recording.name) == key:
                return build_outcome(recording, "unchanged")
        except (OSError, MmercError) as error:
            if _affects_all_recordings(error):
                raise
            return build_outcome(recording, "failed", reason=_describe(error))
        pipeline = self.pipeline
        try:
            self.analyse(pipeline, recording, key)
        except Exception as error:
            if _affects_all_recordings(error):
                raise
            return build_outcome(recording, "failed", reason=_describe(error))
        return build_outcome(recording, "analysed")

    def find_key(self, name: str) -> object:
        """Return the fingerprint of a recording's stored results; None without results."""
        results = self.folder if self.task.remote is None else self.task.remote
        return (results.record(name) or {}).get("key")

    def fingerprint(self, recording: StudyRecording) -> str:
        """Return the fingerprint of everything that determines a recording's results."""
        return fingerprint(
            {
                "mmerc": __version__,
                "code": self.task.code_fingerprint,
                "files": fingerprint_inputs(recording, study=self.folder.path),
                "name": recording.file.name,
                "exclude": [list(part) for part in recording.exclude],
                "settings": self.task.settings.describe(),
                "model": self.task.model_fingerprint,
            }
        )

    def analyse(self, pipeline: Pipeline, recording: StudyRecording, key: str) -> None:
        """Analyse a recording and store the results atomically."""
        work = self.folder.work(recording.name)
        with fetched(recording, study=self.folder.path) as local:
            analysis, words_from = _run(pipeline, local, work)
        if self.fingerprint(recording) != key:
            problem = "it, or a file next to it, changed during the analysis"
            raise InputError(locate(recording), problem, "run the same command again")
        target = self.folder.recording(recording.name)
        with atomic_directory(target, overwrite=True) as folder:
            check_results(recording.file, folder)
            write_results(analysis, folder)
            if not recording.is_transcript and recording.remote is None:
                link_recording(recording.file, folder)
            record = _build_record(pipeline, recording, analysis)
            write_json(folder / RECORD, {"key": key, "words_from": words_from, **record})
        if self.task.remote is not None:
            self.task.remote.put(recording.name)
        if not recording.is_transcript:
            discard_work(work)


def _run(pipeline: Pipeline, recording: StudyRecording, work: Path) -> tuple[Analysis, str]:
    """Return the analysis of a recording without excluded parts, and the source of its words."""
    if recording.is_transcript:
        transcript = read_transcript_without(recording.file, exclude=recording.exclude)
        analysis = pipeline.read(transcript, name=recording.file.name)
        remarks = (*transcript.remarks, *analysis.remarks)
        return replace(analysis, remarks=remarks), "transcript"
    chosen = choose_source(pipeline.find, recording)
    analysis = replace(pipeline, find=chosen.source)(recording.file, work=work)
    remarks = (*chosen.remarks, *analysis.remarks)
    return replace(analysis, remarks=remarks), chosen.words_from


def _build_record(
    pipeline: Pipeline, recording: StudyRecording, analysis: Analysis
) -> Mapping[str, Any]:
    """Build the data for the tables in addition to the predictions."""
    used = ["text"] if recording.is_transcript else list(MODALITIES)
    return {
        "mmerc": __version__,
        "file": recording.file.name,
        "model": analysis.model,
        "duration": analysis.duration,
        "labels": list(analysis.labels.names),
        "modalities": [m for m in used if m in pipeline.model.inputs.output_widths],
        "layers": list(analysis.predictions[0].layer_weights) if analysis.predictions else [],
        "remarks": list(analysis.remarks),
        "set_level": analysis.set_level,
        "absent": {name: dict(reasons) for name, reasons in analysis.absent.items()},
    }


@dataclass(frozen=True, slots=True)
class _SharedExtractor(NamedExtractor):
    """An extractor that is built once per process."""

    def __call__(self) -> Extractor:
        return _build_extractor(NamedExtractor(*astuple(self)))


@cache
def _build_extractor(named: NamedExtractor) -> Extractor:
    """Build an extractor, once per process."""
    return named()


def _affects_all_recordings(error: BaseException | None) -> bool:
    """Whether an error would affect all recordings: a full disk, or wrong settings."""
    if error is None:
        return False
    full = isinstance(error, OSError) and error.errno in _FULL
    return full or isinstance(error, UsageError) or _affects_all_recordings(error.__cause__)


def _describe(error: Exception) -> str:
    """Describe a failure in one sentence."""
    if isinstance(error, MmercError):
        return str(error)
    if isinstance(error, OSError):
        place = f"{error.filename}: " if error.filename else ""
        return f"{place}{(error.strerror or str(error)).lower()}."
    lines = f"{type(error).__name__}: {error}".splitlines()
    return f"internal error ({lines[0].rstrip('. :')}); please report it."
