"""Captions that roll: each cue shows the line before it again, above a new one or alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_AT_ONCE = 50  # milliseconds: shorter cues only bridge two others
_FEWEST_OVERLAPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CueLines:
    """A cue as lines of plain words; times in milliseconds, None where they cannot be read.

    ``voice`` is the speaker that the format itself names; ``word_times`` whether the words have
    times of their own.
    """

    line: int
    start: int | None
    end: int | None
    lines: tuple[str, ...]
    voice: str = ""
    word_times: bool = False


def roll_is_visible(cues: Sequence[CueLines]) -> bool:
    """Whether the captions of a file roll.

    **[decided]** They do where words have times of their own and a cue repeats a line of the one
    before; where two cues of at most 50 ms do so; or where three do that bring a line besides, and
    these are most of the cues that follow another at once.
    """
    follow = [(a, b) for a, b in pairwise(cues) if _follows(a, b)]
    repeating = [(a, b, _overlap(a.lines, b.lines)) for a, b in follow]
    repeats = [(a, b, count) for a, b, count in repeating if count]
    if any(cue.word_times for cue in cues):
        return bool(repeats)
    bridges = sum(_lasts(b) <= _AT_ONCE for _, b, _ in repeats)
    proper = sum(count < len(b.lines) for _, b, count in repeats)
    return bridges >= 2 or (proper >= _FEWEST_OVERLAPS and 2 * proper > len(follow))


def unroll(cues: Sequence[CueLines]) -> list[CueLines]:
    """Each line once, in the cue that brings it.

    A cue that only bridges two others goes, and the next begins with it; a longer one that brings
    nothing new lengthens the one before it.
    """
    result: list[CueLines] = []
    before: CueLines | None = None
    bridge: int | None = None
    for cue in cues:
        count = _overlap(before.lines, cue.lines) if before and _follows(before, cue) else 0
        rest = cue.lines[count:]
        if count and not rest:
            if _lasts(cue) <= _AT_ONCE:
                bridge = cue.start if bridge is None else bridge
            else:
                result[-1] = replace(result[-1], end=cue.end)
        else:
            start = cue.start if bridge is None or not count else bridge
            result.append(replace(cue, lines=rest, start=start))
            bridge = None
        before = cue if cue.lines else before
    return result


def _follows(before: CueLines, cue: CueLines) -> bool:
    """Whether a cue of the same voice begins while the one before it lasts, or at once after."""
    if before.end is None or cue.start is None or before.voice != cue.voice:
        return False
    return cue.start <= before.end + _AT_ONCE


def _overlap(before: Sequence[str], lines: Sequence[str]) -> int:
    """How many of the first lines are the last of the cue before."""
    for count in range(min(len(before), len(lines)), 0, -1):
        if tuple(before[-count:]) == tuple(lines[:count]):
            return count
    return 0


def _lasts(cue: CueLines) -> float:
    """Milliseconds from start to end."""
    return float("inf") if cue.start is None or cue.end is None else cue.end - cue.start
