"""Rolling captions: each cue repeats the previous line, alone or above a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

_AT_ONCE = 50  # milliseconds; shorter cues only bridge two others
_FEWEST_OVERLAPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class CueLines:
    """A cue as plain lines; times in milliseconds, None if unreadable.

    ``voice``: the speaker named by the format. ``word_times``: whether words have their own times.
    """

    line: int
    start: int | None
    end: int | None
    lines: tuple[str, ...]
    voice: str = ""
    word_times: bool = False


def roll_is_visible(cues: Sequence[CueLines]) -> bool:
    """Whether a file has rolling captions.

    **[decided]** True if words have their own times and a cue repeats a line of the previous one;
    or if two cues of at most 50 ms do so; or if at least three cues repeat a line and add another,
    and these are most of the cues that immediately follow another.
    """
    follow = [(a, b) for a, b in pairwise(cues) if _follows(a, b)]
    repeating = [(a, b, _overlap(a.lines, b.lines)) for a, b in follow]
    repeats = [(a, b, count) for a, b, count in repeating if count]
    if any(cue.word_times for cue in cues):
        return bool(repeats)
    bridges = sum(_duration(b) <= _AT_ONCE for _, b, _ in repeats)
    proper = sum(count < len(b.lines) for _, b, count in repeats)
    return bridges >= 2 or (proper >= _FEWEST_OVERLAPS and 2 * proper > len(follow))


def unroll(cues: Sequence[CueLines]) -> list[CueLines]:
    """Keep each line once, in the cue where it first appears.

    A cue that only bridges two others is dropped, and the next starts with it. A longer cue without
    new lines extends the previous one.
    """
    result: list[CueLines] = []
    before: CueLines | None = None
    bridge: int | None = None
    for cue in cues:
        count = _overlap(before.lines, cue.lines) if before and _follows(before, cue) else 0
        rest = cue.lines[count:]
        if count and not rest:
            if _duration(cue) <= _AT_ONCE:
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
    """Whether a cue with the same voice starts during or immediately after the previous one."""
    if before.end is None or cue.start is None or before.voice != cue.voice:
        return False
    return cue.start <= before.end + _AT_ONCE


def _overlap(before: Sequence[str], lines: Sequence[str]) -> int:
    """Return how many first lines equal the last lines of the previous cue."""
    for count in range(min(len(before), len(lines)), 0, -1):
        if tuple(before[-count:]) == tuple(lines[:count]):
            return count
    return 0


def _duration(cue: CueLines) -> float:
    """Return the duration in milliseconds."""
    return float("inf") if cue.start is None or cue.end is None else cue.end - cue.start
