"""The columns of a study's tables: type, meaning, unit and range of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from mmerc.conversation import MODALITIES

Kind = Literal["text", "integer", "number", "truth"]
STUDY_COLUMNS = ("participant", "session", "condition", "group")
_INTEGER = re.compile(r"-?(0|[1-9]\d{0,17})")
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class TableColumn:
    """A column of a table; ``unit`` and ``range`` are empty if it has none."""

    name: str
    kind: Kind
    meaning: str
    unit: str = ""
    range: str = ""


def _text(name: str, meaning: str) -> TableColumn:
    return TableColumn(name=name, kind="text", meaning=meaning)


def _count(name: str, meaning: str, unit: str = "") -> TableColumn:
    return TableColumn(name=name, kind="integer", meaning=meaning, unit=unit, range="0 or more")


def _seconds(name: str, meaning: str) -> TableColumn:
    return TableColumn(name=name, kind="number", meaning=meaning, unit="s", range="0 or more")


def _share(name: str, meaning: str) -> TableColumn:
    return TableColumn(name=name, kind="number", meaning=meaning, range="0 to 1")


def _effect(name: str, meaning: str) -> TableColumn:
    return TableColumn(name=name, kind="number", meaning=meaning, range="-1 to 1")


_RECORDING = _text("recording", "name of the recording; its results are in recordings/NAME")
_SPEAKER = _text("speaker", "name of the speaker in the recording")
_STUDY = (
    _text("participant", "participant who speaks, or whose recording it is (study.yaml)"),
    _text("session", "session of the recording (study.yaml)"),
    _text("condition", "condition of the recording (study.yaml)"),
    _text("group", "group of the participant (study.yaml)"),
)


_SETS = (
    _text("emotions", "prediction set: emotions separated by |, the most probable first"),
    TableColumn(
        name="unsure", kind="truth", meaning="the set is too large, or no modality is available"
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableLayout:
    """The properties that determine the columns of a study.

    ``further``: additional columns of ``study.yaml`` with their types. ``labels``: the emotions.
    ``layers``: the model's layer weights. ``sets``: whether there are prediction sets.
    """

    further: Mapping[str, Kind]
    labels: Sequence[str]
    layers: Sequence[str]
    sets: bool = False

    @property
    def study(self) -> tuple[TableColumn, ...]:
        """The columns of ``study.yaml``."""
        further = (
            replace(_text(name, "further column of study.yaml"), kind=kind)
            for name, kind in self.further.items()
        )
        return (*_STUDY, *further)

    @property
    def utterances(self) -> tuple[TableColumn, ...]:
        """One row per utterance."""
        return (
            _RECORDING,
            *self.study,
            _text("conversation", "conversation within the recording"),
            _text("utterance", "number of the utterance, unique within its conversation"),
            _SPEAKER,
            _seconds("start", "start of the utterance, empty if unknown"),
            _seconds("end", "end of the utterance, empty if unknown"),
            _count("words", "number of words"),
            _text("text", "words of the utterance"),
            _share(
                "overlap", "share of its length in which another person talks, empty if unknown"
            ),
            _text("doubtful_words", "words that the transcriber was not sure of"),
            _text("emotion", "predicted emotion, the most probable one"),
            *(_SETS if self.sets else ()),
            *(_share(f"probability_{k}", f"probability of {k}") for k in self.labels),
            *(
                _truth(f"present.{m}", f"the utterance has {m}, and it was used")
                for m in MODALITIES
            ),
            *(_share(f"weights.{m}", f"weight of {m}, according to the model") for m in MODALITIES),
            _effect("similarity", "agreement of the modalities, according to the model"),
            _share("context_weight", "weight of the context, according to the model"),
            *(_effect(f"effects.{m}", _leaving_out(m)) for m in MODALITIES),
            _effect("context_effect", _leaving_out("the context")),
            *(_share(f"layer_weights.{k}", f"weight of {k} (modality.layer)") for k in self.layers),
            *(_truth(f"left_out.{m}", _contradicting(m)) for m in MODALITIES),
        )

    @property
    def recordings(self) -> tuple[TableColumn, ...]:
        """One row per recording."""
        return (
            _RECORDING,
            _text("file", "file of the recording, without its folder"),
            *self.study,
            _seconds("duration", "length of the recording, empty if unknown"),
            _count("utterances", "number of utterances"),
            _count("words", "number of words"),
            _count("speakers", "number of speakers"),
            _seconds("speaking_time", "sum of the lengths of the utterances, empty without times"),
            *(_share(f"share_{k}", f"share of utterances that are {k}") for k in self.labels),
            *(_share(f"absent_{m}", f"share of utterances without {m}") for m in MODALITIES),
            _text("words_from", "where the words are from: subtitles, transcript or speech"),
            _text("model", "model that predicted the emotions"),
            _text("mmerc", "version of mmerc"),
            _text("remarks", "warnings, one sentence each"),
        )

    @property
    def speakers(self) -> tuple[TableColumn, ...]:
        """One row per speaker of a recording."""
        return (
            _RECORDING,
            *self.study,
            _SPEAKER,
            _count("utterances", "number of utterances"),
            _count("words", "number of words"),
            _seconds("speaking_time", "sum of the lengths of the utterances, empty without times"),
            *(column for label in self.labels for column in _interval_columns(label)),
            *(_share(f"mean_probability_{k}", f"mean probability of {k}") for k in self.labels),
            TableColumn(
                name="entropy",
                kind="number",
                meaning="Shannon entropy of the shares: 0 if all utterances have one emotion",
                unit="bits",
                range="0 to the binary logarithm of the number of emotions",
            ),
        )

    @property
    def transitions(self) -> tuple[TableColumn, ...]:
        """One row per pair of consecutive speakers and emotions in a recording."""
        return (
            _RECORDING,
            _text("from_speaker", "speaker of the earlier utterance"),
            _text("to_speaker", "speaker of the utterance right after it"),
            _text("from_emotion", "emotion of the earlier utterance"),
            _text("to_emotion", "emotion of the utterance right after it"),
            _count("count", "how often this happens in the recording"),
            _share(
                "conditional_probability",
                "count, divided by all with the same recording, speakers and from_emotion",
            ),
        )

    @property
    def tables(self) -> dict[str, tuple[TableColumn, ...]]:
        """The columns of every table, by name."""
        return {
            "utterances": self.utterances,
            "recordings": self.recordings,
            "speakers": self.speakers,
            "transitions": self.transitions,
        }


FAILED = (
    _RECORDING,
    _text("file", "file of the recording"),
    _text("reason", "why it could not be analysed"),
)


def _truth(name: str, meaning: str) -> TableColumn:
    return TableColumn(name=name, kind="truth", meaning=meaning, range="True or False")


def _leaving_out(what: str) -> str:
    return f"loss of the emotion's probability if {what} is left out, empty if it cannot be"


def _contradicting(modality: str) -> str:
    return f"{modality} was left out because it contradicts the others throughout"


def _interval_columns(label: str) -> tuple[TableColumn, ...]:
    """Return the columns of an emotion's share and interval."""
    interval = "95 % Wilson interval of the share (utterances assumed independent)"
    return (
        _share(f"share_{label}", f"share of utterances that are {label}"),
        _share(f"share_{label}_low", f"lower end of the {interval}"),
        _share(f"share_{label}_high", f"upper end of the {interval}"),
    )


def is_reserved(name: str) -> bool:
    """Whether the name is used by a table's own columns, for any labels."""
    layout = TableLayout(further={}, labels=(), layers=(), sets=True)
    reserved = {column.name for columns in layout.tables.values() for column in columns}
    folded = name.casefold()
    return (folded in reserved and name not in STUDY_COLUMNS) or folded.startswith(
        ("probability_", "mean_probability_", "share_", "layer_weights.")
    )


def infer_kind(values: Iterable[str]) -> Kind:
    """Infer the type of an additional column; numeric only if all values are plain numbers."""
    values = list(values)
    if all(_INTEGER.fullmatch(value) for value in values):
        return "integer"
    return "number" if all(_NUMBER.fullmatch(value) for value in values) else "text"
