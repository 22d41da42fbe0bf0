"""Correct the edges of speech and sentences with speaker turns.

Voice activity detection misses quiet words at the edges of a turn, and word times of a transcriber
are off by some tenths of a second there. Speaker turns are more precise (docs/results.md).
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mmerc.media.sentences import Sentence
from mmerc.media.speaker_turns import Turn
from mmerc.media.voice_activity import Span

_PAUSE = 0.3  # seconds; shorter pauses do not separate spans
_LONGEST, _LONGEST_UNPARTED = 20.0, 22.0  # seconds; without a pause, a split may cut a word
_SHORTEST_PART = 1.0  # seconds; minimum duration of a part of an overlong span
# [decided] on simulated conversations: docs/results.md
_REACH = 0.75  # seconds that an edge of a sentence may move to the edge of a turn
_UNHEARD_TURN, _UNHEARD_PART = 0.5, 1.0  # seconds; minimum duration of utterances without words

Interval = tuple[float, float]
"""Start and end, in seconds."""


def choose_spoken(turns: Iterable[Turn], spans: Sequence[Span]) -> tuple[Turn, ...]:
    """Choose turns with voice activity; others may be laughter or music."""
    ends = [span.end for span in spans]

    def is_spoken(turn: Turn) -> bool:
        number = bisect_right(ends, turn.start)
        return number < len(spans) and spans[number].start < turn.end

    return tuple(filter(is_spoken, turns))


def widen_spans(spans: Sequence[Span], turns: Sequence[Turn]) -> tuple[Span, ...]:
    """Extend speech spans by the turns at their edges and in pauses between them.

    Results above 20 s are split at the original gaps; above 22 s anywhere.
    """
    edges = [(span.start, span.end) for span in spans] + [(turn.start, turn.end) for turn in turns]
    cuts = [(before.end + after.start) / 2 for before, after in pairwise(spans)]
    return tuple(
        Span(round(start, 3), round(end, 3))
        for whole in merge_intervals(edges, _PAUSE)
        for start, end in _split_long(whole, cuts)
    )


def _split_long(interval: Interval, cuts: Sequence[float]) -> Iterator[Interval]:
    """Split an overlong interval at the cut nearest its middle, recursively."""
    start, end = interval
    inside = [cut for cut in cuts if start + _SHORTEST_PART < cut < end - _SHORTEST_PART]
    if end - start <= (_LONGEST if inside else _LONGEST_UNPARTED):
        yield interval
        return
    middle = (start + end) / 2
    cut = min(inside, key=lambda place: abs(place - middle), default=middle)
    yield from _split_long((start, cut), cuts)
    yield from _split_long((cut, end), cuts)


def align_sentences(sentences: Sequence[Sentence], turns: Sequence[Turn]) -> tuple[Sentence, ...]:
    """Move the edges of sentences to nearby edges of their speakers' turns.

    A speaker's sentences keep their order and a positive duration, and do not overlap.
    """
    own_turns, aligned = _group_by_speaker(turns), list(sentences)
    numbers: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(sentences)), key=lambda n: sentences[n].start):
        numbers[sentences[number].speaker].append(number)
    for speaker, indices in numbers.items():
        edges = np.array(merge_intervals(own_turns[speaker])).reshape(-1, 2)
        latest = -math.inf  # end of the previous sentences
        for number, after in zip(indices, [*indices[1:], None], strict=True):
            sentence = sentences[number]
            start, end = _nearest(sentence.start, edges[:, 0]), _nearest(sentence.end, edges[:, 1])
            following = math.inf if after is None else sentences[after].start
            if start < latest:
                start = sentence.start
            if end > following:
                end = sentence.end
            if start >= end:  # edges of two different turns
                start, end = sentence.start, sentence.end
            latest = max(latest, sentence.end, end)
            aligned[number] = _move(sentence, start, end)
    return tuple(aligned)


def _group_by_speaker(parts: Iterable[Turn | Sentence]) -> dict[str, list[Interval]]:
    """Collect the intervals of each speaker's turns or sentences."""
    groups: dict[str, list[Interval]] = defaultdict(list)
    for part in parts:
        groups[part.speaker].append((part.start, part.end))
    return groups


def _nearest(time: float, edges: NDArray[np.float64]) -> float:
    """Return the edge nearest to a time, or the time itself if none is near. Shape: [n]."""
    if not len(edges):
        return time
    edge = float(edges[np.abs(edges - time).argmin()])
    return edge if abs(edge - time) <= _REACH else time


def _move(sentence: Sentence, start: float, end: float) -> Sentence:
    """Set the start of a sentence's first word and the end of its last word."""
    words = list(sentence.words)
    words[0] = replace(words[0], start=min(start, words[0].end))
    last = max(range(len(words)), key=lambda number: words[number].end)
    words[last] = replace(words[last], end=max(end, words[last].start))
    return replace(sentence, words=tuple(words))


def find_speech_without_words(
    sentences: Sequence[Sentence], turns: Sequence[Turn], *, parts: bool = True
) -> tuple[Turn, ...]:
    """Find speech without words: turns of half a second or more.

    With ``parts``, also parts of turns, of a second or more.
    """
    spoken = {
        name: merge_intervals(intervals) for name, intervals in _group_by_speaker(sentences).items()
    }
    unheard = []
    for turn in turns:
        intervals = spoken.get(turn.speaker, [])
        for start, end in _gaps((turn.start, turn.end), intervals):
            whole = (start, end) == (turn.start, turn.end)
            if not (whole or parts):
                continue
            if end - start >= (_UNHEARD_TURN if whole else _UNHEARD_PART):
                unheard.append(replace(turn, start=start, end=end))
    return tuple(unheard)


def _gaps(whole: Interval, covered: Sequence[Interval]) -> Iterator[Interval]:
    """Yield the parts of an interval not covered by others (sorted, disjoint)."""
    start, end = whole
    for first, last in covered[bisect_left(covered, start, key=lambda part: part[1]) :]:
        if first >= end:
            break
        if first > start:
            yield start, first
        start = max(start, last)
    if start < end:
        yield start, end


def merge_intervals(intervals: Iterable[Interval], pause: float = 0.0) -> list[Interval]:
    """Sort intervals and merge those separated by ``pause`` or less."""
    merged: list[Interval] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1] + pause:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged
