"""The pipeline: from a recording to a timeline of emotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import torch

from mmerc.analysis_code import fingerprint_code
from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.errors import UsageError
from mmerc.features.recordings import conversation_id
from mmerc.features.registry import ExtractorBuilder
from mmerc.features.store import FeatureTable
from mmerc.files import file_fingerprint
from mmerc.free_memory import return_free_memory
from mmerc.inference.analysis import NO_WORDS, Analysis, mark_labels
from mmerc.inference.levelling import choose_levelling, measure_distance
from mmerc.inference.live import Live
from mmerc.inference.pipeline.checks import analysis_remarks
from mmerc.inference.pipeline.components import load_components
from mmerc.inference.pipeline.progress import Hook, Step, ignore_progress
from mmerc.inference.pipeline.recording_features import (
    Unavailable,
    extract_features,
    extract_speakers_faces,
    start_workers,
)
from mmerc.inference.pipeline.segmentation import UtteranceSource
from mmerc.inference.pipeline.shortfalls import CONTRADICTS, list_shortfalls
from mmerc.inference.pipeline.speaker_names import rename_in_conversations, rename_speakers
from mmerc.inference.pipeline.speech_stages import VoiceSearch
from mmerc.inference.pipeline.spoken_language import (
    explain_unreadable,
    with_words,
    without_words,
)
from mmerc.inference.pipeline.still_picture import still_remarks
from mmerc.inference.pipeline.utterance_sources import FromSpeech, FromSubtitles
from mmerc.inference.pipeline.word_source import FromWords
from mmerc.inference.pipeline.work_folder import WorkFolder
from mmerc.media.decode import MediaInfo, probe
from mmerc.media.faces.speaking import Choice
from mmerc.media.segment import MediaError
from mmerc.media.sound_remarks import sound_remarks
from mmerc.media.speakers.clustering import SpeakerCount
from mmerc.media.speakers.diarizers import Diarizer
from mmerc.media.transcription import EMBEDDED_MODEL
from mmerc.models.base import AnyModel
from mmerc.precision import fast_bfloat16
from mmerc.prediction.prediction_sets import check_set_request
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.prediction.utterance_predictions import predict
from mmerc.prediction.window_encoding import encode_in_few_shapes
from mmerc.processes import available_cores
from mmerc.version import __version__

_Tables = Mapping[Modality, FeatureTable]
_Absences = dict[str, dict[Modality, str]]


@dataclass(kw_only=True)
class Pipeline:
    """Analyses recordings: finds utterances, extracts features, predicts emotions.

    ``model``, called ``name`` in results, predicts. ``extractors`` provide its features;
    ``missing`` says why a modality has no extractor. ``find`` finds the utterances of a recording
    without subtitles. ``workers`` processes extract features. With ``live``, each utterance is
    predicted without later ones. ``sets`` requests prediction sets. Every part can be replaced.
    """

    model: AnyModel
    name: str
    extractors: Mapping[Modality, ExtractorBuilder]
    missing: Mapping[Modality, str] = field(default_factory=dict)
    find: UtteranceSource = field(default_factory=FromSpeech)
    workers: int = field(default_factory=available_cores)
    live: bool = False
    sets: SetRequest | None = None

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path | None = None,
        *,
        commercial_only: bool = False,
        face: Choice = "speaking",
        whisper: str = EMBEDDED_MODEL,
        language: str | None = None,
        turns: str | Path | None = None,
        speakers: str | None = None,
        diarizer: Diarizer = "mmerc",
        workers: int | None = None,
        live: bool = False,
        sets: SetRequest | None = None,
    ) -> Self:
        """Load a model and everything needed to analyse recordings with it.

        ``source`` is a run or model folder, a model that comes with mmerc, or a Hub repository; by
        default mmerc-mini (with ``live`` mmerc-mini-live). ``commercial_only`` excludes everything
        that forbids commercial use: openSMILE, denseface, and mmerc-mini (replaced by
        mmerc-mini-text). ``face`` selects the face to use: "speaking", "largest" or "all".
        ``whisper`` names the transcription model, ``language`` the code of the spoken language
        (None: detect it). ``turns`` is an RTTM file with speaker turns; without it, voices are
        diarized: ``speakers`` states their number, "2" or "2-4" (None: estimate it), ``diarizer``
        is "mmerc" or the installed "pyannote". ``workers`` is the number of processes (None: one
        per core). ``sets`` requests prediction sets.

        UsageError if ``commercial_only`` forbids the model; MmercError or InputError if it cannot
        be loaded, or has no scores for sets.
        """
        components = load_components(source, commercial_only=commercial_only, face=face, live=live)
        if sets is not None:
            check_set_request(components.model, sets, components.name)
        turns = None if turns is None else Path(turns)
        count = SpeakerCount() if speakers is None else SpeakerCount.parse(speakers)
        return cls(
            model=components.model,
            name=components.name,
            extractors=components.extractors,
            missing=components.missing,
            find=FromSpeech(
                whisper=whisper,
                language=language,
                turns=turns,
                voices=VoiceSearch(count=count, diarizer=diarizer),
                as_live=live,
            ),
            workers=workers or available_cores(),
            live=live,
            sets=sets,
        )

    def __call__(
        self,
        recording: str | Path,
        *,
        subtitles: str | Path | None = None,
        words: str | Path | None = None,
        turns: str | Path | None = None,
        names: Mapping[str, str] | None = None,
        work: str | Path | None = None,
        report: Hook = ignore_progress,
    ) -> Analysis:
        """Analyse a film or sound file; times of the analysis are in seconds.

        ``subtitles`` (SRT, WebVTT, ASS, or a film with embedded subtitles) or ``words`` (CTM, or
        the JSON of WhisperX, whisper.cpp, openai-whisper or faster-whisper) replace voice activity
        detection and transcription; ``turns`` (RTTM) replace diarization. ``names`` replaces
        speaker names: "SPEAKER_01" -> "Mara". ``work`` is a folder for intermediate results: with
        the same folder, an interrupted analysis resumes. The caller deletes it after saving the
        results (``mmerc.inference.pipeline.work_folder.discard_work``). ``report`` receives the
        progress of each stage.

        UsageError for subtitles and words together, or if ``names`` has an unknown speaker (the
        transcript so far stays in ``work``). MediaError if the file is not a recording or has no
        speech. InputError if a file cannot be read or written, or if another analysis is using
        the folder.
        """
        recording = Path(recording)
        if recording.is_dir():
            raise MediaError(recording, "a folder", "name one film or sound file in it")
        info = probe(recording)
        find = self._source(subtitles, words, turns)
        if work is None:
            with TemporaryDirectory(prefix="mmerc-") as folder:
                return self.analyse(recording, info, find, Path(folder), report, names=names)
        return self.analyse(recording, info, find, Path(work), report, names=names)

    def _source(
        self, subtitles: str | Path | None, words: str | Path | None, turns: str | Path | None
    ) -> UtteranceSource:
        """Choose the source: subtitles or words if given, else ``find``; with the given turns."""
        if subtitles is not None and words is not None:
            raise UsageError("Subtitles have words already; give --subtitles or --words, not both.")
        turns = None if turns is None else Path(turns)
        speech = self.find if isinstance(self.find, FromSpeech) else FromSpeech()
        language, voices = speech.language, speech.voices
        if subtitles is not None:
            return FromSubtitles(subtitles=Path(subtitles), turns=turns, language=language)
        turns = turns or speech.turns
        if words is not None:
            return FromWords(words=Path(words), turns=turns, voices=voices, language=language)
        return replace(speech, turns=turns) if self.find is speech else self.find

    def analyse(
        self,
        recording: Path,
        info: MediaInfo,
        find: UtteranceSource,
        folder: Path,
        report: Hook,
        *,
        names: Mapping[str, str] | None = None,
    ) -> Analysis:
        """Run all stages."""
        description = {
            "mmerc": __version__,
            "code": fingerprint_code(),
            "recording": file_fingerprint(recording),
            "found": type(find).__name__,
            **find.settings(),
        }
        with WorkFolder.open(folder, of=description) as work:
            if not isinstance(find, FromSpeech):  # transcription needs the memory
                start_workers(self.workers, duration=info.duration)
            segmentation = find(recording, info, work=work, report=report)
            return_free_memory()  # of the transcriber, before workers for feature extraction start
            utterances = rename_speakers(segmentation.utterances, names or {})
            tables, absent = self.extract(recording, utterances, work, report)
        unread = explain_unreadable(self.model, utterances, segmentation.language)
        if unread is not None:
            absent = {item.id: {**absent.get(item.id, {}), "text": unread} for item in utterances}
        self.check_features(recording, utterances, absent)
        report(Step("emotions", 0, len(utterances)))
        read = utterances if unread is None else without_words(utterances)
        conversation = Conversation(id=conversation_id(recording), utterances=read)
        distance = (
            measure_distance(self.model, "audio", tables["audio"]) if "audio" in tables else 0.0
        )
        predictions = with_words(self.predict([conversation], tables), utterances)
        report(Step("emotions", len(predictions), len(predictions)))
        absent = _add_left_out(absent, predictions)
        remarks = analysis_remarks(
            self.model, utterances, absent, distance=distance, sets=self.sets
        )
        still = still_remarks(recording, info) if "video" in tables else ()
        heard = sound_remarks(recording) if info.has_sound else ()
        return Analysis(
            recording=recording.name,
            duration=info.duration,
            model=self.name,
            labels=self.model.labels,
            predictions=tuple(predictions),
            absent=absent,
            remarks=(*segmentation.remarks, *heard, *still, *remarks),
            shortfalls=list_shortfalls(absent, segmentation.remarks, utterances=len(utterances)),
            marks=mark_labels(
                predictions, absent, segmentation.marks, reads_words=self.reads_words
            ),
            set_level=self._set_level,
        )

    @property
    def reads_words(self) -> bool:
        """Whether the model uses text."""
        return "text" in self.model.inputs.output_widths

    @property
    def _set_level(self) -> float | None:
        return None if self.sets is None else self.sets.level

    def check_features(
        self, recording: Path, utterances: Sequence[Utterance], absent: _Absences
    ) -> None:
        """MediaError if no utterance has a modality that the model uses."""
        modalities = self.model.inputs.output_widths.keys()
        if modalities and all(modalities <= absent.get(item.id, {}).keys() for item in utterances):
            reasons = dict.fromkeys(why[m] for why in absent.values() for m in modalities)
            problem = f"no usable {' or '.join(modalities)} ({'; '.join(reasons)})"
            raise MediaError(recording, problem, "give a recording with speech")

    def read(
        self,
        conversations: Sequence[Conversation],
        *,
        name: str,
        names: Mapping[str, str] | None = None,
    ) -> Analysis:
        """Analyse text only; ``name`` is used in place of a recording's name.

        ``names`` replaces speaker names (UsageError for an unknown speaker). InputError if ids are
        not unique or the model does not use text.
        """
        conversations = rename_in_conversations(conversations, names or {})
        utterances = [item for conversation in conversations for item in conversation.utterances]
        predictions = self.predict(conversations, {})
        absent = _find_wordless(utterances) if self.reads_words else {}
        return Analysis(
            recording=name,
            duration=None,
            model=self.name,
            labels=self.model.labels,
            predictions=tuple(predictions),
            absent=absent,
            remarks=analysis_remarks(self.model, utterances, absent, distance=0.0, sets=self.sets),
            marks=mark_labels(predictions, absent, {}, reads_words=self.reads_words),
            set_level=self._set_level,
        )

    def extract(
        self, recording: Path, utterances: tuple[Utterance, ...], work: WorkFolder, report: Hook
    ) -> tuple[_Tables, _Absences]:
        """Extract the features of all modalities, with reasons for absent ones."""
        tables: dict[Modality, FeatureTable] = {}
        unavailable = dict(self.missing)
        for modality, extractor in self.extractors.items():
            extract = extract_speakers_faces if _has_several(utterances) else extract_features
            features = extract(
                modality,
                extractor,
                recording,
                utterances,
                stores=work.vectors(utterances),
                workers=self.workers,
                report=report,
            )
            if isinstance(features, Unavailable):
                unavailable[modality] = features.reason
            else:
                tables[modality] = features
        return tables, _collect_absences(utterances, tables, unavailable)

    def predict(
        self, conversations: Sequence[Conversation], tables: _Tables
    ) -> list[UtterancePrediction]:
        """Predict emotions; encoders read words and sound in bfloat16 on CPUs where it is fast.

        Probabilities then differ by a few thousandths between machines
        (benchmarks/bench_analyze.py).
        """
        if self.live:
            return [p for item in conversations for p in self.predict_live(item, tables)]
        model = self.model.with_levelling(choose_levelling(self.model))
        fast = model.speech_encoder is not None and fast_bfloat16("cpu")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=fast):
            return predict(
                model,
                conversations,
                tables,
                window_encoder=encode_in_few_shapes,
                sets=self.sets,
            )

    def predict_live(
        self, conversation: Conversation, tables: _Tables
    ) -> list[UtterancePrediction]:
        """Predict each utterance from those before it."""
        stream = (
            (utterance, {m: t.vector(conversation.id, utterance.id) for m, t in tables.items()})
            for utterance in conversation.utterances
        )
        predictions = Live(model=self.model, sets=self.sets).follow(stream)
        return [replace(prediction, conversation=conversation.id) for prediction in predictions]


def _add_left_out(absent: _Absences, predictions: Sequence[UtterancePrediction]) -> _Absences:
    """Add the reasons for modalities that the model left out."""
    joined = {utterance: dict(reasons) for utterance, reasons in absent.items()}
    for prediction in predictions:
        for modality, left_out in prediction.left_out.items():
            if left_out:
                joined.setdefault(prediction.id, {})[modality] = CONTRADICTS
    return joined


def _has_several(utterances: Sequence[Utterance]) -> bool:
    """Whether there are several speakers."""
    return len({utterance.speaker for utterance in utterances}) > 1


def _collect_absences(
    utterances: tuple[Utterance, ...], tables: _Tables, unavailable: Mapping[Modality, str]
) -> _Absences:
    """Collect, per utterance id, the absent modalities and the reasons."""
    rows = {m: {key[1]: row for key, row in t.rows.items()} for m, t in tables.items()}
    absent: _Absences = {}
    for utterance in utterances:
        reasons: dict[Modality, str] = dict(unavailable)
        if not utterance.text.strip():
            reasons["text"] = NO_WORDS
        for modality in tables:
            row = rows[modality].get(utterance.id)
            if row is not None and row.vector is None:
                reasons[modality] = row.absent_because or "unknown"
        if reasons:
            absent[utterance.id] = reasons
    return absent


def _find_wordless(utterances: Sequence[Utterance]) -> dict[str, dict[Modality, str]]:
    """Return why text is absent, by id; ids used by several conversations are omitted."""
    spoken = {item.id for item in utterances if item.text.strip()}
    return {item.id: {"text": NO_WORDS} for item in utterances if item.id not in spoken}
