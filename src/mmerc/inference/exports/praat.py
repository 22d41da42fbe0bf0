"""Emotions beside the words as Praat shows them: a TextGrid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import TimedUtterance, about, length, one_line, tiers

Interval = tuple[int, int, str]
LAYERS: dict[str, Callable[[TimedUtterance], str]] = {
    "words": lambda item: item.prediction.text,
    "emotion": lambda item: item.prediction.label,
    "probability": lambda item: f"{item.probability:.2f}",
}


def as_textgrid(analysis: Analysis) -> str:
    """Three interval tiers a speaker: ``words@NAME``, ``emotion@NAME``, ``probability@NAME``.

    Where utterances of a speaker overlap, ``NAME (2)`` has the later one: intervals of a tier must
    follow each other. The tier ``about`` says how many utterances have no times and are left out.
    Source: Praat manual, "TextGrid file formats".
    """
    end = length(analysis)
    grid = [("about", [(0, end, about(analysis))])]
    for tier in tiers(analysis):
        for kind, text_of in LAYERS.items():
            said = [(item.start, item.end, text_of(item)) for item in tier.utterances]
            grid.append((f"{kind}@{tier.name}", list(gapless(said, end))))
    head = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0",
        f"xmax = {seconds(end)}", "tiers? <exists>", f"size = {len(grid)}", "item []:",
    ]  # fmt: skip
    body = [
        line
        for number, (name, intervals) in enumerate(grid, start=1)
        for line in tier_lines(number, name, intervals)
    ]
    return "\n".join([*head, *body]) + "\n"


def gapless(intervals: list[Interval], end: int) -> Iterator[Interval]:
    """The same intervals, and empty ones from 0 to ``end`` where there was nothing."""
    reached = 0
    for interval in intervals:
        if interval[0] > reached:
            yield reached, interval[0], ""
        yield interval
        reached = interval[1]
    if reached < end:
        yield reached, end, ""


def tier_lines(number: int, name: str, intervals: list[Interval]) -> Iterator[str]:
    """One interval tier."""
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier"'
    yield f"        name = {quoted(name)}"
    yield "        xmin = 0"
    yield f"        xmax = {seconds(intervals[-1][1])}"
    yield f"        intervals: size = {len(intervals)}"
    for place, (start, end, text) in enumerate(intervals, start=1):
        yield f"        intervals [{place}]:"
        yield f"            xmin = {seconds(start)}"
        yield f"            xmax = {seconds(end)}"
        yield f"            text = {quoted(text)}"


def seconds(milliseconds: int) -> str:
    """Seconds, exact to the millisecond."""
    return f"{milliseconds / 1000:.3f}"


def quoted(text: str) -> str:
    """One line in quotation marks, which are doubled inside."""
    return '"' + one_line(text).replace('"', '""') + '"'
