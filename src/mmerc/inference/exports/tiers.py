"""The timed utterances of an analysis, in tiers without overlap."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmerc.inference.analysis import Analysis
from mmerc.prediction.utterance_prediction import UtterancePrediction

NAMELESS = "unknown"
# Characters that XML 1.0 excludes, even escaped (section 2.2), and that help no other format.
_UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedUtterance:
    """An utterance with ``start`` and ``end`` in milliseconds.

    ``position`` is its index among the predictions of the analysis.
    """

    position: int
    start: int
    end: int
    prediction: UtterancePrediction

    @property
    def probability(self) -> float:
        """The probability of the predicted emotion."""
        return self.prediction.probabilities[self.prediction.label]

    @property
    def emotions(self) -> str | None:
        """The prediction set, such as "joy or surprise", or "unsure"; None without one."""
        if self.prediction.emotions is None:
            return None
        return "unsure" if self.prediction.unsure else " or ".join(self.prediction.emotions)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Utterances of one speaker that do not overlap, in order of time.

    ``name`` is unique; ``layer`` counts the speaker's tiers from 0, of which overlap needs several.
    """

    name: str
    speaker: str
    layer: int
    utterances: tuple[TimedUtterance, ...]


def timed_utterances(analysis: Analysis) -> list[TimedUtterance]:
    """The utterances that last a millisecond or more, by start."""
    utterances = []
    for position, item in enumerate(analysis.predictions):
        if item.start is not None and item.end is not None:
            start, end = round(item.start * 1000), round(item.end * 1000)
            if end > start:
                utterances.append(
                    TimedUtterance(position=position, start=start, end=end, prediction=item)
                )
    return sorted(utterances, key=lambda item: (item.start, item.end))


def build_tiers(analysis: Analysis) -> list[Tier]:
    """One tier per speaker, and more where utterances overlap; in order of first speaking."""
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
    """The speaker's name on one line, numbered from the second layer on."""
    name = one_line(speaker) or NAMELESS
    return f"{name} ({layer + 1})" if layer else name


def _make_unique(names: Iterable[str]) -> Iterator[str]:
    """The same names, with apostrophes added to those that occurred before."""
    used: set[str] = set()
    for name in names:
        while name in used:
            name += "'"  # noqa: PLW2901 - until it is new
        used.add(name)
        yield name


def duration_ms(analysis: Analysis) -> int:
    """Milliseconds from the recording's start to its end or the last utterance's, at least one."""
    ends = [item.end for item in timed_utterances(analysis)]
    return max(1, round((analysis.duration or 0.0) * 1000), *ends)


def describe(analysis: Analysis) -> str:
    """What a file contains and what it leaves out, on one line."""
    total, timed = len(analysis.predictions), len(timed_utterances(analysis))
    guess = f"as {analysis.model} guesses that people would label them"
    parts = [f"emotions in {analysis.recording}", guess]
    if timed < total:
        parts.append(f"{total - timed} of {total} utterances have no times and are left out")
    return one_line("; ".join([*parts, *analysis.remarks]))


def printable(text: str) -> str:
    """The text with U+FFFD for characters that the formats exclude."""
    return _UNPRINTABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Printable text without line breaks."""
    return " ".join(printable(text).split())
