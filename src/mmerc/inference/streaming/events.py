"""What a live session reports, in the order in which it becomes certain. Times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mmerc.conversation import Modality
from mmerc.media.sentences import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Somebody begins to speak at ``time``."""

    time: float
    type: Literal["speech_started"] = "speech_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class HeardWord:
    """A recognised word; ``probability`` 0 to 1."""

    text: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WordsHeard:
    """The words of the speech from ``start`` to ``end``.

    Words that are not ``final`` replace the earlier ones of the same ``start``; the speech goes on.
    """

    start: float
    end: float
    text: str
    words: tuple[HeardWord, ...]
    final: bool
    type: Literal["words"] = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUtterance:
    """One utterance and its emotion.

    ``index`` counts from 1 and is the utterance's id in the exported analysis. ``probabilities``
    maps every label to its probability. ``effects`` and ``context_effect`` are what leaving a
    modality or the context out takes from the probability of ``emotion`` (-1 to 1; None if absent).
    ``modalities`` took part; ``absent`` says why the others did not.
    """

    index: int
    start: float
    end: float
    text: str
    speaker: str
    emotion: str
    probabilities: Mapping[str, float]
    effects: Mapping[Modality, float | None]
    context_effect: float | None
    modalities: tuple[Modality, ...]
    absent: Mapping[Modality, str] = field(default_factory=dict)
    type: Literal["utterance"] = "utterance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A reported utterance changed because of what came after it.

    ``utterance`` replaces the one of the same ``index``; None: it is withdrawn, since its words
    belong to another one. ``reason``: its words changed, or two speakers turned out to be one.
    """

    index: int
    reason: Literal["words", "speaker"]
    utterance: LiveUtterance | None
    type: Literal["correction"] = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How well the session keeps up, every ten seconds of sound and at its end.

    ``seconds`` of sound were heard. ``real_time_factor`` is the computing time per second of sound
    since the last report: above 1 the session falls behind. ``dropped_frames`` counts pictures that
    were dropped because they came faster than the session uses them.
    """

    seconds: float
    real_time_factor: float
    dropped_frames: int
    type: Literal["stats"] = "stats"


def describe_words(words: Sequence[Word]) -> tuple[HeardWord, ...]:
    """Words as events report them."""
    return tuple(
        HeardWord(text=word.text, start=word.start, end=word.end, probability=word.probability)
        for word in words
    )


LiveEvent = SpeechStarted | WordsHeard | LiveUtterance | Correction | Stats


def event_as_dict(event: LiveEvent) -> dict[str, Any]:
    """An event as plain values for JSON, with its ``type`` first."""
    return {"type": event.type} | asdict(event)
