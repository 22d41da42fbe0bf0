"""The pipeline: utterances, vectors, emotions, and what to doubt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import torch

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.features.recordings import conversation_id
from mmerc.features.registry import NamedExtractor
from mmerc.features.store import FeatureTable
from mmerc.files import file_fingerprint
from mmerc.inference.analysis import Analysis
from mmerc.inference.level import Statistics, levelled
from mmerc.inference.live import Live
from mmerc.inference.pipeline import checks
from mmerc.inference.pipeline.parts import Parts, load_parts
from mmerc.inference.pipeline.progress import Hook, Step, unheard
from mmerc.inference.pipeline.utterances import FindUtterances, FromSpeech, FromSubtitles
from mmerc.inference.pipeline.vectors import Unavailable, extract
from mmerc.inference.pipeline.work import Work
from mmerc.media.decode import MediaInfo, probe
from mmerc.media.faces.speaking import Choice
from mmerc.media.segment import MediaError
from mmerc.media.transcription import EMBEDDED_MODEL
from mmerc.models.base import AnyModel
from mmerc.precision import fast_bfloat16
from mmerc.prediction.predictions import UtterancePrediction, predict
from mmerc.processes import available_cores
from mmerc.version import __version__

Tables = Mapping[Modality, FeatureTable]
Absences = dict[str, dict[Modality, str]]


@dataclass(kw_only=True)
class Pipeline:
    """A recording in, its timeline of emotions out.

    ``extractors`` make the vectors that ``model`` takes; ``missing`` says of a modality why nothing
    can make them. Every part may be exchanged; ``find`` is used where no subtitles are given.
    ``live``: each utterance is predicted as if nothing had come after it.
    """

    model: AnyModel
    name: str
    extractors: Mapping[Modality, NamedExtractor]
    missing: Mapping[Modality, str] = field(default_factory=dict)
    find: FindUtterances = field(default_factory=FromSpeech)
    workers: int = field(default_factory=available_cores)
    live: bool = False

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        commercial_only: bool = False,
        face: Choice = "speaking",
        whisper: str = EMBEDDED_MODEL,
        language: str | None = None,
        turns: Path | None = None,
        workers: int | None = None,
        live: bool = False,
    ) -> Self:
        """Load a model (by default mmerc-mini, ``live`` mmerc-mini-live) and what it needs.

        ``commercial_only`` leaves out what forbids commercial use: openSMILE, denseface, and
        mmerc-mini, in whose place mmerc-mini-text comes. UsageError where such a model is asked
        for by name; MmercError or InputError where a model cannot be had.
        """
        parts: Parts = load_parts(source, commercial_only=commercial_only, face=face, live=live)
        return cls(
            model=parts.model,
            name=parts.name,
            extractors=parts.extractors,
            missing=parts.missing,
            find=FromSpeech(whisper=whisper, language=language, turns=turns),
            workers=workers or available_cores(),
            live=live,
        )

    def __call__(
        self,
        recording: Path,
        *,
        subtitles: Path | None = None,
        turns: Path | None = None,
        work: Path | None = None,
        report: Hook = unheard,
    ) -> Analysis:
        """Analyse a film or a sound file.

        ``subtitles`` (SRT, WebVTT, ASS) and ``turns`` (RTTM: who speaks when) spare voice activity,
        transcription and speakers. In the folder ``work`` stands what was found: called again after
        a kill it goes on from there. It stays until whoever named it throws it away, the results
        being safe (``mmerc.inference.pipeline.work.discard``). MediaError for what is no recording
        or in which nobody speaks, InputError where another analysis is at work in the folder.
        """
        recording = Path(recording)
        if recording.is_dir():
            raise MediaError(recording, "a folder", "name one film or sound file in it")
        info = probe(recording)
        find = self.find
        if subtitles is not None:
            find = FromSubtitles(subtitles=Path(subtitles), turns=turns)
        elif turns is not None and isinstance(find, FromSpeech):
            find = replace(find, turns=turns)
        if work is None:
            with TemporaryDirectory(prefix="mmerc-") as folder:
                return self.analyse(recording, info, find, Path(folder), report)
        return self.analyse(recording, info, find, work, report)

    def analyse(
        self, recording: Path, info: MediaInfo, find: FindUtterances, folder: Path, report: Hook
    ) -> Analysis:
        """The stages, one after the other."""
        described = {
            "mmerc": __version__,
            "recording": file_fingerprint(recording),
            "found": type(find).__name__,
            **find.settings(),
        }
        with Work.open(folder, of=described) as work:
            found = find(recording, info, work=work, report=report)
            tables, absent = self.vectors(recording, found.utterances, work, report)
        self.check_any(recording, found.utterances, absent)
        report(Step("emotions", 0, len(found.utterances)))
        conversation = Conversation(id=conversation_id(recording), utterances=found.utterances)
        level, distance = self.levelled(tables)
        predictions = self.predict([conversation], tables if self.live else level)
        report(Step("emotions", len(predictions), len(predictions)))
        return Analysis(
            recording=recording.name,
            duration=info.duration,
            model=self.name,
            labels=self.model.labels,
            predictions=tuple(predictions),
            absent=absent,
            remarks=(
                *found.remarks,
                *checks.remarks(self.model, found.utterances, absent, distance=distance),
            ),
        )

    def check_any(self, recording: Path, utterances: Sequence[Utterance], absent: Absences) -> None:
        """MediaError where no utterance has anything that the model takes."""
        taken = self.model.inputs.output_widths.keys()
        if taken and all(taken <= absent.get(item.id, {}).keys() for item in utterances):
            reasons = dict.fromkeys(why[m] for why in absent.values() for m in taken)
            problem = f"no {' or '.join(taken)} could be had from it ({'; '.join(reasons)})"
            raise MediaError(recording, problem, "give a recording in which somebody speaks")

    def read(self, conversations: Sequence[Conversation], *, name: str) -> Analysis:
        """Analyse words alone: what is called ``name`` in the analysis, as a transcript's file."""
        utterances = [item for conversation in conversations for item in conversation.utterances]
        predictions = self.predict(conversations, {})
        return Analysis(
            recording=name,
            duration=None,
            model=self.name,
            labels=self.model.labels,
            predictions=tuple(predictions),
            absent={},
            remarks=checks.remarks(self.model, utterances, {}, distance=0.0),
        )

    def vectors(
        self, recording: Path, utterances: tuple[Utterance, ...], work: Work, report: Hook
    ) -> tuple[Tables, Absences]:
        """Vectors of sound and faces, and why they are absent."""
        tables: dict[Modality, FeatureTable] = {}
        gone = dict(self.missing)
        for modality, extractor in self.extractors.items():
            found = extract(
                modality,
                extractor,
                recording,
                utterances,
                stores=work.vectors(utterances),
                workers=self.workers,
                report=report,
            )
            if isinstance(found, Unavailable):
                gone[modality] = found.reason
            else:
                tables[modality] = found
        return tables, absences(utterances, tables, gone)

    def predict(
        self, conversations: Sequence[Conversation], tables: Tables
    ) -> list[UtterancePrediction]:
        """Emotions, in bfloat16 on processors that are fast with it (benchmarks/bench_analyze.py).

        Probabilities then differ by some thousandths from those of other machines.
        """
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast_bfloat16("cpu")):
            if self.live:
                return [p for item in conversations for p in self.as_they_come(item, tables)]
            return predict(self.model, conversations, tables)

    def as_they_come(self, conversation: Conversation, tables: Tables) -> list[UtterancePrediction]:
        """Predict each utterance from those before it."""
        stream = (
            (utterance, {m: t.vector(conversation.id, utterance.id) for m, t in tables.items()})
            for utterance in conversation.utterances
        )
        told = Live(model=self.model).follow(stream)
        return [replace(prediction, conversation=conversation.id) for prediction in told]

    def levelled(self, tables: Tables) -> tuple[Tables, float]:
        """Sound on the level of the training data, and how far from it the recording lay."""
        if "audio" not in tables:
            return tables, 0.0
        mean, deviation = self.model.inputs.statistics("audio")
        training = Statistics(mean=mean.cpu().numpy(), deviation=deviation.cpu().numpy())
        table, distance = levelled(tables["audio"], training)
        return {**tables, "audio": table}, distance


def absences(
    utterances: tuple[Utterance, ...], tables: Tables, gone: Mapping[Modality, str]
) -> Absences:
    """Why an utterance's modality has no part in its prediction."""
    rows = {m: {key[1]: row for key, row in t.rows.items()} for m, t in tables.items()}
    absent: Absences = {}
    for utterance in utterances:
        reasons: dict[Modality, str] = dict(gone)
        if not utterance.text.strip():
            reasons["text"] = "no words"
        for modality in tables:
            row = rows[modality].get(utterance.id)
            if row is not None and row.vector is None:
                reasons[modality] = row.absent_because or "unknown"
        if reasons:
            absent[utterance.id] = reasons
    return absent
