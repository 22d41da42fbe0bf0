"""Extract vectors from media into a prepared corpus, or into a manifest of one recording."""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmerc.conversation import Modality, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.corpus_media import check_media_times, corpus_tasks
from mmerc.errors import MmercError, UsageError
from mmerc.executors.executor import Engine, Executor
from mmerc.features.extraction import Progress, Task, extract_all
from mmerc.features.recordings import conversation_id, recording_task
from mmerc.features.registry import NamedExtractor, named_extractors
from mmerc.features.store import FeatureSpec, FeatureStore, FeatureTable
from mmerc.files import file_lock, write_json, write_text
from mmerc.media.faces.speaking import Choice
from mmerc.media.segment import Segment
from mmerc.media.speaker_turns import (
    SpeakerTurns,
    assign_speakers,
    read_rttm,
    utterances_of_turns,
)

_REPORT_INTERVAL = 2.0  # seconds between two lines of progress
_Report = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """The vectors of one modality, and the number of absent ones by reason."""

    table: FeatureTable
    progress: Progress

    def to_json(self) -> dict[str, Any]:
        """Modality, extractor, width, number of vectors, and absent ones by reason."""
        return {
            "modality": self.table.spec.modality,
            "extractor": self.table.spec.extractor,
            "width": self.table.spec.dim,
            "vectors": sum(row.vector is not None for row in self.table.rows.values()),
            "absent": dict(self.progress.absent.most_common()),
        }


def extract(
    source: str | Path,
    *,
    audio: str | None = None,
    video: str | None = None,
    media: str | Path | None = None,
    subtitles: str | Path | None = None,
    turns: str | Path | None = None,
    out: str | Path | None = None,
    face: Choice = "speaking",
    weights: str | Path | None = None,
    workers: int = 1,
    engine: Engine = "local",
    report: _Report | None = None,
    remark: _Report | None = None,
) -> list[Extraction]:
    """Extract audio and video vectors, like `mmerc extract`; an interrupted run resumes.

    ``source`` is a prepared corpus, to which the vectors are added, or a recording, for which the
    manifest ``out`` is written (by default next to it). ``audio`` and ``video`` name extractors. A
    corpus needs ``media``, the raw corpus's folder; a recording needs ``subtitles`` (SRT, WebVTT or
    ASS) or ``turns`` (RTTM). ``weights``: weights of the face network. ``report`` receives progress
    lines, ``remark`` doubts about the input (default: a Python warning).

    UsageError for invalid arguments; InputError if a file is missing or malformed.
    """
    source, say = Path(source), report or _ignore
    extractors = named_extractors(
        audio=audio, video=video, face=face, weights=None if weights is None else Path(weights)
    )
    executor = Executor(jobs=workers, engine=engine)
    if source.is_dir():
        if media is None:
            raise UsageError("A corpus needs --media: the raw corpus's folder.")
        return _extract_corpus(
            source, Path(media), extractors, executor=executor, report=say, remark=remark or _warn
        )
    utterances = _read_utterances(source, subtitles, turns, remark or _warn)
    target = manifest_path(source, out)
    return _extract_recording(source, utterances, extractors, target, executor=executor, report=say)


def manifest_path(recording: Path, out: str | Path | None) -> Path:
    """Return the path of a recording's manifest: ``out``, by default next to the recording."""
    return recording.with_suffix(".jsonl") if out is None else Path(out)


def _extract_corpus(
    directory: Path,
    media: Path,
    extractors: Sequence[NamedExtractor],
    *,
    executor: Executor,
    report: _Report,
    remark: _Report,
) -> list[Extraction]:
    """Add vectors to the prepared corpus; a modality's old vectors stay on disk.

    An interrupted run resumes: the corpus is changed when the vectors are complete.
    """
    with _locked(directory):
        corpus = PreparedCorpus.load(directory)
        tasks = corpus_tasks(corpus, media)
        for line in check_media_times(corpus, media):
            remark(line)
        extractions = [
            extract_modality(named, tasks, directory / "features", executor=executor, report=report)
            for named in extractors
        ]
        tables: dict[Modality, FeatureTable] = {e.table.spec.modality: e.table for e in extractions}
        extended = replace(corpus, features={**corpus.features, **tables})
        write_json(directory / "corpus.json", extended.description())
    return extractions


def extract_modality(
    named: NamedExtractor,
    tasks: Sequence[Task],
    stores: Path,
    *,
    executor: Executor,
    report: _Report,
    spec: FeatureSpec | None = None,
) -> Extraction:
    """Extract the vectors of all tasks; ``spec`` replaces the extractor's own."""
    store = FeatureStore.create(stores, spec or named().spec)
    reporter = _ProgressReporter(named.name, report)
    if store.spec.modality == "audio":  # pictures need not be sent to workers that read sound
        tasks = [replace(task, segment=Segment(sound=task.segment.sound)) for task in tasks]
    progress = extract_all(tasks, named, store, executor=executor, report=reporter)
    reporter.finish(progress)
    return Extraction(table=store.read(), progress=progress)


def _extract_recording(
    recording: Path,
    utterances: Sequence[Utterance],
    extractors: Sequence[NamedExtractor],
    out: Path,
    *,
    executor: Executor,
    report: _Report,
) -> list[Extraction]:
    """Write a manifest of one conversation with its vectors, for `mmerc predict`.

    Vectors are stored next to it (``OUT.features``), so that an interrupted run resumes.
    """
    tasks = [recording_task(recording, utterance) for utterance in utterances]
    stores = out.with_name(out.name + ".features")
    extractions = [
        extract_modality(named, tasks, stores, executor=executor, report=report)
        for named in extractors
    ]
    name = conversation_id(recording)
    records = [_utterance_record(name, item, extractions) for item in utterances]
    line = {"id": name, "media": recording.name, "utterances": records}
    write_text(out, json.dumps(line, ensure_ascii=False) + "\n")
    return extractions


@dataclass
class _ProgressReporter:
    """Reports the progress of an extraction at most every two seconds."""

    name: str
    report: _Report
    reported: float = field(default_factory=time.monotonic)

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self.reported >= _REPORT_INTERVAL:
            self.reported = time.monotonic()
            remaining = f", {progress.remaining / 60:.1f} min left"
            self.report(self.line(progress) + remaining)

    def finish(self, progress: Progress) -> None:
        """Report the end."""
        self.report(self.line(progress))

    def line(self, progress: Progress) -> str:
        """Format a line: done, total, rate, absent."""
        absent = f", {progress.absent.total()} absent" if progress.absent else ""
        rate = f" ({progress.rate:.1f}/s)" if progress.fresh else ""
        return f"{self.name}: {progress.done} of {progress.total}{rate}{absent}"


def _read_utterances(
    recording: Path, subtitles: str | Path | None, turns: str | Path | None, remark: _Report
) -> tuple[Utterance, ...]:
    """Read the utterances of a recording; ``remark`` receives remarks."""
    from mmerc.media.subtitles import Subtitles, read_subtitles

    if not recording.is_file():
        raise UsageError(f"{recording} is neither a prepared corpus nor a recording.")
    if subtitles is None and turns is None:
        raise UsageError("A recording needs --subtitles or --turns: where its utterances are.")
    speakers = SpeakerTurns(turns=()) if turns is None else read_rttm(turns, media=recording)
    cues = Subtitles(utterances=()) if subtitles is None else read_subtitles(subtitles)
    for line in (*cues.remarks, *speakers.remarks):
        remark(line)
    if subtitles is None:
        return utterances_of_turns(speakers.turns)
    return assign_speakers(cues.utterances, speakers.turns)


def _utterance_record(
    conversation: str, utterance: Utterance, extractions: Sequence[Extraction]
) -> dict[str, Any]:
    """Convert an utterance for a manifest."""
    vectors = {
        e.table.spec.modality: e.table.vector(conversation, utterance.id) for e in extractions
    }
    return {
        "id": utterance.id,
        "speaker": utterance.speaker,
        "text": utterance.text,
        "start": utterance.start,
        "end": utterance.end,
        "features": {
            modality: None if vector is None else [round(float(x), 6) for x in vector]
            for modality, vector in vectors.items()
        },
    }


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock the folder against other processes."""
    with file_lock(directory / ".lock") as alone:
        if not alone:
            raise MmercError(f"{directory}: another process is using this folder; wait for it.")
        yield


def _warn(line: str) -> None:
    """Emit a remark as a Python warning."""
    warnings.warn(line, stacklevel=4)


def _ignore(line: str) -> None:
    """Discard a line of progress."""
