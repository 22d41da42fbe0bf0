"""Export words and emotions for Praat: TextGrid."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import (
    TimedUtterance,
    build_tiers,
    describe,
    duration_ms,
    has_doubts,
    one_line,
)

_Interval = tuple[int, int, str]
_CONTENTS: dict[str, Callable[[TimedUtterance], str]] = {
    "words": lambda item: item.prediction.text,
    "emotion": lambda item: item.prediction.label,
    "probability": lambda item: f"{item.probability:.2f}",
}
_SETS: dict[str, Callable[[TimedUtterance], str]] = {"set": lambda item: item.emotions or ""}
_DOUBTS: dict[str, Callable[[TimedUtterance], str]] = {"doubt": lambda item: item.doubt or ""}


def as_textgrid(analysis: Analysis) -> str:
    """Write interval tiers per speaker: words, emotion, probability, any sets and any doubts.

    They are named ``words@NAME``, ``emotion@NAME``, ``probability@NAME`` and ``set@NAME``. If
    utterances of a speaker overlap, the later one is in ``NAME (2)``: intervals of a tier must not
    overlap. The tier ``about`` gives the number of omitted utterances without times. Source: Praat
    manual, "TextGrid file formats".
    """
    end = duration_ms(analysis)
    grid = [("about", [(0, end, describe(analysis))])]
    tiers = build_tiers(analysis)
    contents = _CONTENTS if analysis.set_level is None else _CONTENTS | _SETS
    contents = contents | _DOUBTS if has_doubts(tiers) else contents
    for tier in tiers:
        for kind, read_text in contents.items():
            spoken = [(item.start, item.end, read_text(item)) for item in tier.utterances]
            grid.append((f"{kind}@{tier.name}", list(_fill_gaps(spoken, end))))
    head = [
        'File type = "ooTextFile"', 'Object class = "TextGrid"', "", "xmin = 0",
        f"xmax = {_format_seconds(end)}", "tiers? <exists>", f"size = {len(grid)}", "item []:",
    ]  # fmt: skip
    body = [
        line
        for number, (name, intervals) in enumerate(grid, start=1)
        for line in _format_tier(number, name, intervals)
    ]
    return "\n".join([*head, *body]) + "\n"


def _fill_gaps(intervals: list[_Interval], end: int) -> Iterator[_Interval]:
    """Fill the gaps between 0 and ``end`` with empty intervals."""
    reached = 0
    for interval in intervals:
        if interval[0] > reached:
            yield reached, interval[0], ""
        yield interval
        reached = interval[1]
    if reached < end:
        yield reached, end, ""


def _format_tier(number: int, name: str, intervals: list[_Interval]) -> Iterator[str]:
    """Format one interval tier."""
    yield f"    item [{number}]:"
    yield '        class = "IntervalTier"'
    yield f"        name = {_quote(name)}"
    yield "        xmin = 0"
    yield f"        xmax = {_format_seconds(intervals[-1][1])}"
    yield f"        intervals: size = {len(intervals)}"
    for position, (start, end, text) in enumerate(intervals, start=1):
        yield f"        intervals [{position}]:"
        yield f"            xmin = {_format_seconds(start)}"
        yield f"            xmax = {_format_seconds(end)}"
        yield f"            text = {_quote(text)}"


def _format_seconds(milliseconds: int) -> str:
    """Format milliseconds as seconds with three digits."""
    return f"{milliseconds / 1000:.3f}"


def _quote(text: str) -> str:
    """Quote a line; double quotation marks inside it."""
    return '"' + one_line(text).replace('"', '""') + '"'
