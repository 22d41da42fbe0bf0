"""Join the tokens written by transcribers into whole words with times."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

from mmerc.errors import InputError
from mmerc.media.sentences import UNSPACED, Word

_BEYOND = 1e9  # larger values are not times in any unit
FIX = "fix it, or export the words again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A word or part of a word as written; times in seconds, None if missing.

    In most formats words start with a space; pieces without one continue the previous word.
    """

    text: str
    start: float | None
    end: float | None
    probability: float = 1.0
    speaker: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenSegment:
    """The pieces of a segment in order; ``start`` and ``end`` in seconds."""

    where: str
    start: float
    end: float
    text: str
    pieces: tuple[Piece, ...]
    speaker: str | None = None


def read_seconds(where: str, name: str, value: object) -> float:
    """Read a time in seconds; InputError if it is invalid, negative or infinite."""
    number = math.nan
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _BEYOND:
        number = float(value)
    if not (math.isfinite(number) and number >= 0):
        raise InputError(where, f"{name} is {value!r:.40}, not a time in seconds", FIX)
    return number


def check_order(where: str, start: float, end: float) -> None:
    """InputError if the end is before the start."""
    if end < start:
        raise InputError(where, f"it ends at {end:g} s, before it starts at {start:g} s", FIX)


def join_pieces(segments: Sequence[WrittenSegment]) -> list[WrittenSegment]:
    """Join pieces, so that the pieces of each segment are whole words.

    If any piece inside a segment starts with a space, pieces without one continue the previous
    word, except in scripts without spaces.
    """
    spaced = any(piece.text[:1].isspace() for item in segments for piece in item.pieces[1:])
    if not spaced:
        return list(segments)
    return [replace(item, pieces=tuple(join_words(item.pieces))) for item in segments]


def join_words(pieces: Iterable[Piece]) -> list[Piece]:
    """Join the pieces of each word of a segment, averaging their probabilities."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        text = piece.text
        before = groups[-1][-1].text if groups else ""
        apart = text[:1].isspace() or before[-1:].isspace()
        if not groups or apart or UNSPACED.match(text) or UNSPACED.match(before[-1:]):
            groups.append([piece])
        else:
            groups[-1].append(piece)
    return [
        Piece(
            text="".join(piece.text for piece in group),
            start=group[0].start,
            end=group[-1].end,
            probability=fmean(piece.probability for piece in group),
            speaker=group[0].speaker,
        )
        for group in groups
    ]


def spread_words(segment: WrittenSegment) -> tuple[Piece, ...]:
    """Split a segment's text into words; divide its time in proportion to their length."""
    texts = [part for text in segment.text.split() for part in _split_unspaced(text)]
    letters = [0]
    for text in texts:
        letters.append(letters[-1] + len(text))
    scale = (segment.end - segment.start) / max(letters[-1], 1)
    return tuple(
        Piece(text=text, start=segment.start + first * scale, end=segment.start + last * scale)
        for text, (first, last) in zip(texts, pairwise(letters), strict=True)
    )


def _split_unspaced(text: str) -> list[str]:
    """Split a text in a script without spaces into characters."""
    return re.findall(rf"{UNSPACED.pattern}|(?:(?!{UNSPACED.pattern}).)+", text)


def fill_times(segment: WrittenSegment) -> tuple[tuple[Word, ...], int]:
    """Return a segment's words and the number of those without times, which divide their gap.

    WhisperX gives no times for words that its aligner cannot spell, such as numbers.
    """
    words: list[Word] = []
    pieces = [piece for piece in segment.pieces if piece.text.strip()]
    position, missing = 0, 0
    while position < len(pieces):
        first = position
        while position < len(pieces) and _is_untimed(pieces[position]):
            position += 1
        if position > first:
            start = words[-1].end if words else segment.start
            following = pieces[position].start if position < len(pieces) else segment.end
            gap = replace(
                segment,
                start=start,
                end=max(start, following if following is not None else start),
                text=" ".join(piece.text.strip() for piece in pieces[first:position]),
            )
            words += _spread_over(gap, pieces[first:position])
            missing += position - first
        else:
            words.append(_build_word(pieces[position], segment))
            position += 1
    return tuple(words), missing


def _is_untimed(piece: Piece) -> bool:
    return piece.start is None or piece.end is None


def _spread_over(gap: WrittenSegment, pieces: Sequence[Piece]) -> list[Word]:
    """Give each word without times an equal share of the gap."""
    share = (gap.end - gap.start) / len(pieces)
    return [
        _build_word(
            replace(piece, start=gap.start + n * share, end=gap.start + (n + 1) * share), gap
        )
        for n, piece in enumerate(pieces)
    ]


def _build_word(piece: Piece, segment: WrittenSegment) -> Word:
    """Convert a timed piece to a word; restore characters split between tokens."""
    text = piece.text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return Word(
        text=" ".join(text.split()),
        start=round(piece.start or 0.0, 3),
        end=round(piece.end or 0.0, 3),
        probability=round(piece.probability, 4),
        speaker=piece.speaker or segment.speaker,
    )
