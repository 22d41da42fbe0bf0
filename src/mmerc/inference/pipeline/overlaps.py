"""How much of each utterance other speakers talk over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mmerc.conversation import Utterance
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn

_Interval = tuple[float, float]


def measure_overlaps(utterances: Sequence[Utterance], turns: Sequence[Turn]) -> dict[str, float]:
    """The share (0 to 1) of each utterance's length during which another speaker talks, by id.

    Without turns, the other speakers are those of overlapping utterances. If an utterance's speaker
    is unknown, or none of the turns' (cues and turns may use different names), what counts is that
    two speakers talk at once. Utterances without a length are left out.
    """
    ordered = sorted(turns or _turns_of(utterances), key=lambda turn: turn.start)
    starts = np.array([turn.start for turn in ordered])
    latest_ends = np.maximum.accumulate(np.array([turn.end for turn in ordered]))
    names = {turn.speaker for turn in ordered}
    overlaps: dict[str, float] = {}
    for item in utterances:
        if item.start is None or item.end is None or item.end <= item.start:
            continue
        first = np.searchsorted(latest_ends, item.start, side="right")
        last = np.searchsorted(starts, item.end, side="left")
        near = ordered[first:last]
        named = item.speaker != UNKNOWN_SPEAKER and item.speaker in names
        shared = _shared_time(
            [turn for turn in near if not (named and turn.speaker == item.speaker)],
            (item.start, item.end),
            fewest=1 if named else 2,
        )
        overlaps[item.id] = round(shared / (item.end - item.start), 3)
    return overlaps


def _turns_of(utterances: Iterable[Utterance]) -> list[Turn]:
    """Utterances of known speakers as turns."""
    return [
        Turn(speaker=item.speaker, start=item.start, end=item.end)
        for item in utterances
        if item.start is not None and item.end is not None and item.speaker != UNKNOWN_SPEAKER
    ]


def _shared_time(turns: Iterable[Turn], within: _Interval, *, fewest: int) -> float:
    """Seconds of the interval in which at least ``fewest`` speakers of the turns talk."""
    spoken: dict[str, list[_Interval]] = {}
    for turn in turns:
        if turn.speaker != UNKNOWN_SPEAKER:
            clipped = max(turn.start, within[0]), min(turn.end, within[1])
            spoken.setdefault(turn.speaker, []).append(clipped)
    changes = [
        change
        for intervals in spoken.values()
        for start, end in _merge(intervals)
        for change in ((start, 1), (end, -1))
    ]
    seconds, active, before = 0.0, 0, within[0]
    for time, change in sorted(changes):
        seconds += time - before if active >= fewest else 0.0
        active, before = active + change, time
    return seconds


def _merge(intervals: Iterable[_Interval]) -> list[_Interval]:
    """The same time as intervals that do not overlap."""
    merged: list[_Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        elif end > start:
            merged.append((start, end))
    return merged
