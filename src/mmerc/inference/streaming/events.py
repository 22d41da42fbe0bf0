"""Events of a live session, in the order in which they become certain. Times are in seconds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from mmerc.conversation import Modality
from mmerc.media.sentences import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechStarted:
    """Speech starts at ``time``."""

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

    Until ``final``, speech continues, and later words replace those with the same ``start``.
    """

    start: float
    end: float
    text: str
    words: tuple[HeardWord, ...]
    final: bool
    type: Literal["words"] = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveUtterance:
    """An utterance and its emotion.

    ``index`` counts from 1 and is the utterance's id in the exported analysis. ``probabilities``
    maps every label to its probability. ``effects`` and ``context_effect``: decrease of the
    probability of ``emotion`` when a modality or the context is left out (-1 to 1; None if absent).
    ``modalities`` were used; ``absent`` says why the others were not. Doubts are those of the
    export: ``overlap``, the share of its duration (0 to 1) during which another speaker talks;
    ``doubtful_places``, spans (start, end) of ``text`` of which the transcriber was unsure, in
    characters; ``doubtful_label``, why ``emotion`` is doubtful. None: unknown, not doubtful.
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
    overlap: float | None = None
    doubtful_places: tuple[tuple[int, int], ...] = ()
    doubtful_label: str | None = None
    type: Literal["utterance"] = "utterance"


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A change of a reported utterance due to later speech.

    ``utterance`` replaces the one with the same ``index``; None: it is withdrawn because its words
    belong to another utterance. ``reason``: its words changed, or two speakers were merged.
    """

    index: int
    reason: Literal["words", "speaker"]
    utterance: LiveUtterance | None
    type: Literal["correction"] = "correction"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Performance of the session, every ten seconds of sound and at its end.

    ``seconds``: sound received. ``real_time_factor``: computing time per second of sound since the
    last report; above 1 the session falls behind. ``dropped_frames``: number of pictures dropped
    because they arrived too fast.
    """

    seconds: float
    real_time_factor: float
    dropped_frames: int
    type: Literal["stats"] = "stats"


def describe_words(words: Sequence[Word]) -> tuple[HeardWord, ...]:
    """Convert words for events."""
    return tuple(
        HeardWord(text=word.text, start=word.start, end=word.end, probability=word.probability)
        for word in words
    )


LiveEvent = SpeechStarted | WordsHeard | LiveUtterance | Correction | Stats


def event_as_dict(event: LiveEvent) -> dict[str, Any]:
    """Convert an event to JSON values, with its ``type`` first."""
    return {"type": event.type} | asdict(event)
