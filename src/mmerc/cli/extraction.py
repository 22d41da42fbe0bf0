"""From media to the vectors of a prepared corpus, or to a manifest of one recording."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mmerc.cli.segments import corpus_tasks
from mmerc.conversation import Modality, Utterance
from mmerc.data.corpus import PreparedCorpus
from mmerc.features.extraction import Engine, Progress, Task, extract_all
from mmerc.features.recordings import conversation_id, recording_task
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureSpec, FeatureStore, FeatureTable
from mmerc.files import write_json, write_text
from mmerc.media.segment import Segment
from mmerc.training.folder import locked

EVERY = 2.0  # seconds between two lines of progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Extracted:
    """Vectors of one modality, and why others are absent."""

    table: FeatureTable
    progress: Progress

    def to_json(self) -> dict[str, Any]:
        return {
            "modality": self.table.spec.modality,
            "extractor": self.table.spec.extractor,
            "width": self.table.spec.dim,
            "vectors": sum(row.vector is not None for row in self.table.rows.values()),
            "absent": dict(self.progress.absent.most_common()),
        }


def extract_corpus(
    directory: Path,
    media: Path,
    extractors: Sequence[NamedExtractor],
    *,
    engine: Engine,
    report: Callable[[str], None],
) -> list[Extracted]:
    """Add each extractor's vectors to the prepared corpus; the modality's old ones are kept aside.

    A killed run is gone on with: the corpus takes the vectors over when all of them are there.
    """
    with locked(directory):
        corpus = PreparedCorpus.load(directory)
        tasks = corpus_tasks(corpus, media)
        found = [
            extract_modality(named, tasks, directory / "features", engine=engine, report=report)
            for named in extractors
        ]
        tables: dict[Modality, FeatureTable] = {e.table.spec.modality: e.table for e in found}
        grown = replace(corpus, features={**corpus.features, **tables})
        write_json(directory / "corpus.json", grown.description())
    return found


def extract_modality(
    named: NamedExtractor,
    tasks: Sequence[Task],
    stores: Path,
    *,
    engine: Engine,
    report: Callable[[str], None],
    spec: FeatureSpec | None = None,
) -> Extracted:
    """Vectors of one extractor for all tasks; ``spec``: where it is not the extractor's own."""
    store = FeatureStore.create(stores, spec or named().spec)
    said = Saying(named.name, report)
    if store.spec.modality == "audio":  # pictures need not travel to where sound is read
        tasks = [replace(task, segment=Segment(sound=task.segment.sound)) for task in tasks]
    progress = extract_all(tasks, named, store, engine=engine, report=said)
    said.last(progress)
    return Extracted(table=store.read(), progress=progress)


@dataclass
class Saying:
    """Says how far a run is, every other second."""

    name: str
    report: Callable[[str], None]
    said: float = field(default_factory=time.monotonic)

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self.said >= EVERY:
            self.said = time.monotonic()
            remaining = f", {progress.remaining / 60:.1f} min left"
            self.report(self.line(progress) + remaining)

    def last(self, progress: Progress) -> None:
        self.report(self.line(progress))

    def line(self, progress: Progress) -> str:
        absent = f", {progress.absent.total()} absent" if progress.absent else ""
        rate = f" ({progress.rate:.1f}/s)" if progress.fresh else ""
        return f"{self.name}: {progress.done} of {progress.total}{rate}{absent}"


def extract_recording(
    recording: Path,
    utterances: Sequence[Utterance],
    extractors: Sequence[NamedExtractor],
    out: Path,
    *,
    engine: Engine,
    report: Callable[[str], None],
) -> list[Extracted]:
    """Write a manifest of one conversation with its vectors, for ``mmerc predict``.

    Vectors are kept beside it (``OUT.features``) until it is written, so that a killed run goes on.
    """
    tasks = [recording_task(recording, utterance) for utterance in utterances]
    stores = out.with_name(out.name + ".features")
    found = [
        extract_modality(named, tasks, stores, engine=engine, report=report) for named in extractors
    ]
    records = [utterance_record(conversation_id(recording), item, found) for item in utterances]
    line = {"id": conversation_id(recording), "media": recording.name, "utterances": records}
    write_text(out, json.dumps(line, ensure_ascii=False) + "\n")
    return found


def utterance_record(
    conversation: str, utterance: Utterance, found: Sequence[Extracted]
) -> dict[str, Any]:
    """An utterance as a manifest holds it."""
    vectors = {e.table.spec.modality: e.table.vector(conversation, utterance.id) for e in found}
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
