"""The timed utterances of an analysis, dealt into tiers in which nothing overlaps."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from mmerc.inference.analysis import Analysis
from mmerc.prediction.utterance_predictions import UtterancePrediction

NAMELESS = "unknown"
# What XML 1.0 cannot hold, not even escaped (section 2.2), and no other format is the better for.
UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class TimedUtterance:
    """An utterance that has a place in time; ``start`` and ``end`` in milliseconds.

    ``position`` is its place among the predictions of the analysis.
    """

    position: int
    start: int
    end: int
    prediction: UtterancePrediction

    @property
    def probability(self) -> float:
        """How sure the model is of the emotion that it tells."""
        return self.prediction.probabilities[self.prediction.label]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tier:
    """Utterances of one speaker that do not overlap, in the order of time.

    ``name`` belongs to this tier alone; ``layer`` is above 0 where the speaker's utterances overlap
    and the tiers before this one had no room.
    """

    name: str
    speaker: str
    layer: int
    utterances: tuple[TimedUtterance, ...]


def timed(analysis: Analysis) -> list[TimedUtterance]:
    """The utterances that last a millisecond or more, by start."""
    found = []
    for position, item in enumerate(analysis.predictions):
        if item.start is not None and item.end is not None:
            start, end = round(item.start * 1000), round(item.end * 1000)
            if end > start:
                made = TimedUtterance(position=position, start=start, end=end, prediction=item)
                found.append(made)
    return sorted(found, key=lambda item: (item.start, item.end))


def tiers(analysis: Analysis) -> list[Tier]:
    """One tier a speaker, and further ones for what overlaps; speakers as they first speak."""
    by_speaker: dict[str, list[TimedUtterance]] = {}
    for item in timed(analysis):
        by_speaker.setdefault(item.prediction.speaker, []).append(item)
    layers = [
        (speaker, number, layer)
        for speaker, utterances in by_speaker.items()
        for number, layer in enumerate(without_overlap(utterances))
    ]
    names = distinct(layer_name(speaker, number) for speaker, number, _ in layers)
    return [
        Tier(name=name, speaker=speaker, layer=number, utterances=tuple(layer))
        for name, (speaker, number, layer) in zip(names, layers, strict=True)
    ]


def without_overlap(utterances: Sequence[TimedUtterance]) -> list[list[TimedUtterance]]:
    """Deal utterances, sorted by start, into the fewest layers in which none overlaps."""
    layers: list[list[TimedUtterance]] = []
    for item in utterances:
        free = next((layer for layer in layers if layer[-1].end <= item.start), None)
        if free is None:
            layers.append([item])
        else:
            free.append(item)
    return layers


def layer_name(speaker: str, layer: int) -> str:
    """The speaker's name on one line, numbered from the second layer on."""
    name = one_line(speaker) or NAMELESS
    return f"{name} ({layer + 1})" if layer else name


def distinct(names: Iterable[str]) -> Iterator[str]:
    """The same names, a stroke added where one came before."""
    taken: set[str] = set()
    for name in names:
        while name in taken:
            name += "'"  # noqa: PLW2901 - until it is new
        taken.add(name)
        yield name


def length(analysis: Analysis) -> int:
    """Milliseconds from the recording's start to its end or the last utterance's, at least one."""
    ends = [item.end for item in timed(analysis)]
    return max(1, round((analysis.duration or 0.0) * 1000), *ends)


def about(analysis: Analysis) -> str:
    """What a file holds and what it leaves out, on one line."""
    everyone, placed = len(analysis.predictions), len(timed(analysis))
    guess = f"as {analysis.model} guesses that people label them"
    parts = [f"emotions in {analysis.recording}", guess]
    if placed < everyone:
        parts.append(f"{everyone - placed} of {everyone} utterances have no times and are left out")
    return one_line("; ".join([*parts, *analysis.remarks]))


def printable(text: str) -> str:
    """The text with U+FFFD for characters that files cannot hold."""
    return UNPRINTABLE.sub("\ufffd", text)


def one_line(text: str) -> str:
    """Printable text without line breaks."""
    return " ".join(printable(text).split())
