"""The reported utterances of a live session and their emotions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock

from mmerc.conversation import Modality, Utterance
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable, Vector
from mmerc.inference.analysis import NO_WORDS, Analysis, Marks, mark_labels
from mmerc.inference.levelling import measure_distance
from mmerc.inference.live import Live
from mmerc.inference.pipeline.checks import analysis_remarks
from mmerc.inference.pipeline.components import Components
from mmerc.inference.pipeline.overlaps import measure_overlaps
from mmerc.inference.pipeline.spoken_language import explain_unreadable
from mmerc.inference.streaming.events import Correction, LiveEvent, LiveUtterance
from mmerc.inference.streaming.live_speakers import Joined
from mmerc.inference.streaming.spoken_utterances import SpokenUtterance
from mmerc.media.speaker_turns import Turn
from mmerc.prediction.utterance_prediction import UtterancePrediction

_Vectors = Mapping[Modality, Vector | None]
_LEFT_OUT = "left out: it contradicts the other modalities"


class LiveResults:
    """Predicts new and corrected utterances.

    The model sees the last 30 utterances, and levelling uses the last 200 (``Live``). Memory grows
    only by one prediction per utterance, for the export.
    """

    def __init__(self, components: Components, *, lock: Lock) -> None:
        self._components = components
        self._lock = lock  # for the model, which is shared with other sessions
        self._live = Live(model=components.model)
        self._predictions: dict[int, UtterancePrediction] = {}
        self._absent: dict[str, dict[Modality, str]] = {}
        self._marks: dict[str, Marks] = {}
        self._count = 0

    def __len__(self) -> int:
        return len(self._predictions)

    @property
    def last_speaker(self) -> str:
        """The last speaker; SPEAKER_01 at the beginning."""
        last = next(reversed(self._predictions.values()), None)
        return "SPEAKER_01" if last is None else last.speaker

    @property
    def speakers(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(item.speaker for item in self._predictions.values()))

    def add(
        self,
        spoken: SpokenUtterance,
        vectors: _Vectors,
        absent: Mapping[Modality, str],
        *,
        turns: Sequence[Turn],
        language: str | None,
        index: int | None = None,
    ) -> LiveUtterance:
        """Predict the next utterance, or the one with ``index`` again.

        ``absent``: why a modality has no vector; ``turns`` are used to measure overlaps.
        """
        if index is None:
            self._count += 1
            index = self._count
        utterance = Utterance(
            id=str(index),
            speaker=spoken.speaker,
            text=spoken.text,
            start=spoken.start,
            end=spoken.end,
        )
        reasons = dict(absent)
        unread = explain_unreadable(self._components.model, [utterance], language)
        if reasons.keys() >= self._components.model.inputs.output_widths.keys() - {"text"}:
            unread = None  # there is no other modality
        reads_words = "text" in self._components.model.inputs.output_widths
        if reads_words and (unread is not None or not spoken.text.strip()):
            reasons["text"] = unread or NO_WORDS
        read = utterance if unread is None else replace(utterance, text="")
        with self._lock:
            prediction = replace(self._live.hear(read, vectors), text=spoken.text)
        reasons |= {m: _LEFT_OUT for m, left_out in prediction.left_out.items() if left_out}
        overlap = measure_overlaps([utterance], turns).get(utterance.id)
        self._predictions[index] = prediction
        self._absent[utterance.id] = reasons
        marks = {utterance.id: Marks(overlap=overlap, doubtful=spoken.doubtful)}
        self._marks |= mark_labels([prediction], self._absent, marks, reads_words=reads_words)
        return self._describe(prediction)

    def withdraw(self, count: int) -> None:
        """Remove the last utterances from the context, so that they can be added again."""
        self._live.withdraw(count)

    def remove(self, index: int) -> None:
        """Delete an utterance that is no longer in the context."""
        del self._predictions[index], self._absent[str(index)], self._marks[str(index)]

    def join_speakers(self, names: Joined) -> list[LiveEvent]:
        """Reassign all utterances of a speaker to another one; their emotions are unchanged."""
        self._live.rename_speaker(names.old, names.new)
        changed = [i for i, item in self._predictions.items() if item.speaker == names.old]
        for index in changed:
            self._predictions[index] = replace(self._predictions[index], speaker=names.new)
        return [
            Correction(
                index=index, reason="speaker", utterance=self._describe(self._predictions[index])
            )
            for index in changed
        ]

    def get(self, index: int) -> LiveUtterance:
        return self._describe(self._predictions[index])

    def utterances(self) -> tuple[LiveUtterance, ...]:
        """All utterances so far, in order of time."""
        return tuple(self._describe(item) for item in self._ordered())

    def analysis(self, name: str, *, seconds: float, remarks: Sequence[str]) -> Analysis:
        """Return all utterances so far as an analysis of a recording."""
        predictions = self._ordered()
        model = self._components.model
        absent = {item: reasons for item, reasons in self._absent.items() if reasons}
        spoken = [
            Utterance(id=p.id, speaker=p.speaker, text=p.text, start=p.start, end=p.end)
            for p in predictions
        ]
        model_remarks = (
            analysis_remarks(model, spoken, absent, distance=self._distance()) if spoken else ()
        )
        return Analysis(
            recording=name,
            duration=round(seconds, 3),
            model=self._components.name,
            labels=model.labels,
            predictions=tuple(predictions),
            absent=absent,
            remarks=(*remarks, *model_remarks),
            marks=dict(self._marks),
        )

    def _ordered(self) -> list[UtterancePrediction]:
        ordered = sorted(
            self._predictions.items(), key=lambda pair: (pair[1].start or 0.0, pair[0])
        )
        return [prediction for _, prediction in ordered]

    def _distance(self) -> float:
        """Return the distance of the latest voices from the training data."""
        width = self._components.model.inputs.widths.get("audio")
        if width is None:
            return 0.0
        spec = FeatureSpec(modality="audio", extractor="live", dim=width)
        rows = [
            FeatureRow(conversation="live", utterance=item.id, vector=vectors.get("audio"))
            for item, vectors in self._live.past
        ]
        return measure_distance(self._components.model, "audio", FeatureTable.of(spec, rows))

    def _describe(self, prediction: UtterancePrediction) -> LiveUtterance:
        absent, marks = self._absent[prediction.id], self._marks[prediction.id]
        modalities = self._components.model.inputs.output_widths
        return LiveUtterance(
            index=int(prediction.id),
            start=prediction.start or 0.0,
            end=prediction.end or 0.0,
            text=prediction.text,
            speaker=prediction.speaker,
            emotion=prediction.label,
            probabilities=prediction.probabilities,
            effects=prediction.effects,
            context_effect=prediction.context_effect,
            modalities=tuple(m for m in modalities if m not in absent),
            absent=absent,
            overlap=marks.overlap,
            doubtful_places=marks.doubtful,
            doubtful_label=marks.label,
        )
