"""Measure overlapping speech in utterances."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mmerc.conversation import Utterance
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, Turn
from mmerc.media.turn_edges import Interval, merge_intervals


def measure_overlaps(utterances: Sequence[Utterance], turns: Sequence[Turn]) -> dict[str, float]:
    """Return, by id, the share (0 to 1) of each utterance during which another speaker talks.

    Without turns, overlapping utterances are used. If an utterance's speaker is unknown or not
    among the turns (cues and turns may use different names), time with two or more speakers counts.
    Utterances without duration are omitted.
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
    """Convert utterances of known speakers to turns."""
    return [
        Turn(speaker=item.speaker, start=item.start, end=item.end)
        for item in utterances
        if item.start is not None and item.end is not None and item.speaker != UNKNOWN_SPEAKER
    ]


def _shared_time(turns: Iterable[Turn], within: Interval, *, fewest: int) -> float:
    """Return the seconds of the interval in which at least ``fewest`` speakers talk."""
    spoken: dict[str, list[Interval]] = {}
    for turn in turns:
        if turn.speaker != UNKNOWN_SPEAKER:
            start, end = max(turn.start, within[0]), min(turn.end, within[1])
            if start < end:
                spoken.setdefault(turn.speaker, []).append((start, end))
    changes = [
        change
        for intervals in spoken.values()
        for start, end in merge_intervals(intervals)
        for change in ((start, 1), (end, -1))
    ]
    seconds, active, before = 0.0, 0, within[0]
    for time, change in sorted(changes):
        seconds += time - before if active >= fewest else 0.0
        active, before = active + change, time
    return seconds
