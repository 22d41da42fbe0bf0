"""Arrange the timed utterances of an analysis in tiers without overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmerc.inference.analysis import Analysis, Marks
from mmerc.prediction.utterance_prediction import UtterancePrediction

NAMELESS = "unknown"
# Characters excluded in XML 1.0, even escaped (section 2.2), and useless in the other formats.
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedUtterance:
    """An utterance with ``start`` and ``end`` in milliseconds.

    ``position`` is its index among the predictions of the analysis, ``doubt`` why its label is
    doubtful (None if it is not).
    """

    position: int
    start: int
    end: int
    prediction: UtterancePrediction
    doubt: str | None = None

    @property
    def probability(self) -> float:
        """The probability of the predicted emotion."""
        return self.prediction.probabilities[self.prediction.label]

    @property
    def emotions(self) -> str | None:
        """The prediction set, such as "joy or surprise", or "unsure"; None if there is none."""
        if self.prediction.emotions is None:
            return None
        return "unsure" if self.prediction.unsure else " or ".join(self.prediction.emotions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Non-overlapping utterances of one speaker, in order of time.

    ``name`` is unique; ``layer`` counts the speaker's tiers from 0 (several in case of overlaps).
    """

    name: str
    speaker: str
    layer: int
    utterances: tuple[TimedUtterance, ...]


def timed_utterances(analysis: Analysis) -> list[TimedUtterance]:
    """Return the utterances of a millisecond or more, sorted by start."""
    utterances = []
    for position, item in enumerate(analysis.predictions):
        if item.start is not None and item.end is not None:
            start, end = round(item.start * 1000), round(item.end * 1000)
            if end > start:
                doubt = analysis.marks.get(item.id, Marks()).label
                utterances.append(
                    TimedUtterance(
                        position=position, start=start, end=end, prediction=item, doubt=doubt
                    )
                )
    return sorted(utterances, key=lambda item: (item.start, item.end))


def build_tiers(analysis: Analysis) -> list[Tier]:
    """Build one tier per speaker, or more if utterances overlap, by first appearance."""
    by_speaker: dict[str, list[TimedUtterance]] = {}
    for item in timed_utterances(analysis):
        by_speaker.setdefault(item.prediction.speaker, []).append(item)
    layers = [
        (speaker, number, layer)
        for speaker, utterances in by_speaker.items()
        for number, layer in enumerate(_split_overlaps(utterances))
    ]
    names = _make_unique(_layer_name(speaker, number) for speaker, number, _ in layers)
    return [
        Tier(name=name, speaker=speaker, layer=number, utterances=tuple(layer))
        for name, (speaker, number, layer) in zip(names, layers, strict=True)
    ]


def _split_overlaps(utterances: Sequence[TimedUtterance]) -> list[list[TimedUtterance]]:
    """Divide utterances, sorted by start, into the fewest layers without overlap."""
    layers: list[list[TimedUtterance]] = []
    for item in utterances:
        free = next((layer for layer in layers if layer[-1].end <= item.start), None)
        if free is None:
            layers.append([item])
        else:
            free.append(item)
    return layers


def _layer_name(speaker: str, layer: int) -> str:
    """Return the speaker's name on one line, numbered from the second layer on."""
    name = one_line(speaker) or NAMELESS
    return f"{name} ({layer + 1})" if layer else name


def _make_unique(names: Iterable[str]) -> Iterator[str]:
    """Append apostrophes to repeated names."""
    used: set[str] = set()
    for name in names:
        while name in used:
            name += "'"  # noqa: PLW2901 - until it is new
        used.add(name)
        yield name


def has_doubts(tiers: Iterable[Tier]) -> bool:
    """Whether the label of any utterance is doubtful."""
    return any(item.doubt is not None for tier in tiers for item in tier.utterances)


def duration_ms(analysis: Analysis) -> int:
    """Return the duration in milliseconds, including the last utterance; at least one."""
    ends = [item.end for item in timed_utterances(analysis)]
    return max(1, round((analysis.duration or 0.0) * 1000), *ends)


def describe(analysis: Analysis) -> str:
    """Describe on one line what a file contains and omits."""
    total, timed = len(analysis.predictions), len(timed_utterances(analysis))
    guess = f"as {analysis.model} guesses that people would label them"
    parts = [f"emotions in {analysis.recording}", guess]
    if timed < total:
        parts.append(f"{total - timed} of {total} utterances have no times and are left out")
    return one_line("; ".join([*parts, *analysis.remarks]))


def printable(text: str) -> str:
    """Replace characters that the formats exclude by U+FFFD."""
    return _UNPRINTABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Return printable text without line breaks."""
    return " ".join(printable(text).split())
