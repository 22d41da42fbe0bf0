"""Read the cues of SRT, WebVTT and SBV files and of whisper.cpp's output.

Every line with ``-->`` and every line of text becomes part of a cue or a remark.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mmerc.media.cue_times import LONGEST_TIMES, CueTimes, looks_like_times, parse_times
from mmerc.media.line_remarks import LineRemarks

_ARROW = "-->"
_WEBVTT_BLOCKS = ("NOTE", "STYLE", "REGION", "WEBVTT")  # not spoken
DAMAGED = "times that cannot be read; the words are kept without sound and face"
_ARROW_IN_WORDS = "'-->' without times is read as words"
_WHOLE_SECONDS = "times without milliseconds are read as whole seconds"
_OUTSIDE = "text outside of any cue is left out"
_HEADER_FIELD = re.compile(r"(?:Kind|Language|Region|Style|X-[A-Za-z-]+) *[:=].*|WEBVTT.*")
_CLOCK = "a header maps the times to a broadcast's clock; they are read unchanged"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cue:
    """A raw cue: its first line (counted from 1), times in milliseconds.

    ``start`` and ``end`` are None if unreadable; ``text`` includes markup; ``name`` is the speaker
    from a field of the format.
    """

    line: int
    start: int | None
    end: int | None
    text: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class _TimeLine:
    """The line with the times of a cue; times are None if unreadable."""

    position: int
    times: CueTimes | None


def read_timed_cues(text: str, *, webvtt: bool, remarks: LineRemarks) -> list[Cue]:
    """Read all cues in file order; none if there are no times."""
    lines = text.split("\n")
    time_lines = list(_find_time_lines(lines, remarks))
    positions = [item.position for item in time_lines]
    split = _split_webvtt if webvtt else _split_srt
    blocks = split(lines, positions, remarks)
    return [
        Cue(
            line=item.position + 1,
            start=None if item.times is None else item.times.start,
            end=None if item.times is None else item.times.end,
            text="\n".join((item.times.words if item.times else "", *block)).strip("\n"),
        )
        for item, block in zip(time_lines, blocks, strict=True)
    ]


def _find_time_lines(lines: Sequence[str], remarks: LineRemarks) -> Iterator[_TimeLine]:
    """Yield the lines with cue times, readable or damaged."""
    for position, line in enumerate(lines):
        if _ARROW not in line and ":" not in line[:LONGEST_TIMES]:
            continue  # skips most lines quickly; files may have millions
        times = parse_times(line)
        if times is not None:
            if times.whole_seconds:
                remarks.add(position + 1, _WHOLE_SECONDS)
            yield _TimeLine(position, times)
        elif looks_like_times(line) or (_ARROW in line and _starts_block(lines, position)):
            remarks.add(position + 1, DAMAGED)
            yield _TimeLine(position, None)
        elif _ARROW in line:
            remarks.add(position + 1, _ARROW_IN_WORDS)


def _starts_block(lines: Sequence[str], position: int) -> bool:
    """Whether a line follows an empty line, or an empty line and a number."""
    before = [line.strip() for line in lines[max(position - 2, 0) : position]]
    return not before or not before[-1] or (before[-1].isdecimal() and not any(before[:-1]))


def _split_srt(
    lines: Sequence[str], positions: Sequence[int], remarks: LineRemarks
) -> Iterator[list[str]]:
    """Yield the text lines of each cue, without the next number; empty lines do not end a cue.

    **[decided]** A line of digits is the number of the next cue if it follows an empty line, if it
    continues the previous numbers, or if the previous cue had one too.
    """
    number: int | None = 0
    for first, last in zip([-1, *positions], [*positions, len(lines)], strict=True):
        block = [line.strip() for line in lines[first + 1 : last]]
        if last < len(lines):
            number = _pop_number(block, number)
        if first >= 0:
            yield block
        else:
            _note_outside(lines, _split_blocks(block, 0, len(block)), remarks)


def _pop_number(block: list[str], before: int | None) -> int | None:
    """Remove the next cue's number from the end of a block; None if there is none."""
    empty = 0
    while empty < len(block) and not block[-1 - empty]:
        empty += 1
    rest = block[: len(block) - empty]
    if not rest or not _is_number(rest[-1]):
        return None
    number = int(rest[-1].lstrip("\ufeff"))
    after_empty = len(rest) == 1 or not rest[-2]
    if before is not None and number == before + 1:
        pass
    elif empty or not (after_empty or before is not None):
        return None
    del block[len(rest) - 1 :]
    return number


def _is_number(line: str) -> bool:
    """Whether a line is a cue number."""
    digits = line.lstrip("\ufeff")
    return digits.isascii() and digits.isdecimal() and len(digits) <= 9


def _split_webvtt(
    lines: Sequence[str], positions: Sequence[int], remarks: LineRemarks
) -> Iterator[list[str]]:
    """Yield each cue's text lines up to the next empty line, without identifiers and comments.

    **[decided]** Text after an empty line belongs to a cue that has no other text.
    """
    for first, last in zip([-1, *positions], [*positions, len(lines)], strict=True):
        blocks = _split_blocks(lines, first + 1, last)
        text: list[int] = []
        if first >= 0 and blocks:
            adjacent = blocks[0][0] == first + 1
            if adjacent or not (_is_comment(lines, blocks[0]) or _precedes(blocks[0], last, lines)):
                text = blocks.pop(0)
        if blocks and _precedes(blocks[-1], last, lines) and not _is_comment(lines, blocks[-1]):
            blocks[-1].pop()
        _note_outside(lines, blocks, remarks)
        if first >= 0:
            yield [lines[position] for position in text]


def _precedes(block: Sequence[int], position: int, lines: Sequence[str]) -> bool:
    """Whether a block ends directly before cue times, so that it contains the identifier."""
    return position < len(lines) and block[-1] == position - 1


def _note_outside(
    lines: Sequence[str], blocks: Sequence[Sequence[int]], remarks: LineRemarks
) -> None:
    """Remark on blocks that are neither part of a cue nor a comment."""
    for block in filter(None, blocks):
        if not _is_comment(lines, block):
            remarks.add(block[0] + 1, _OUTSIDE)
        elif any("X-TIMESTAMP-MAP" in lines[position] for position in block):
            remarks.add(block[0] + 1, _CLOCK)
        elif text := _header_text(lines, block):
            remarks.add(text[0] + 1, _OUTSIDE)


def _header_text(lines: Sequence[str], block: Sequence[int]) -> list[int]:
    """Return the lines of a WebVTT header from the first one that is not a field."""
    if not lines[block[0]].lstrip("\ufeff").startswith("WEBVTT"):
        return []
    fields = [_HEADER_FIELD.fullmatch(lines[position].lstrip("\ufeff")) for position in block]
    return list(block[fields.index(None) :]) if None in fields else []


def _split_blocks(lines: Sequence[str], first: int, last: int) -> list[list[int]]:
    """Split the lines from ``first`` to ``last`` at empty lines; return their indices."""
    blocks: list[list[int]] = [[]]
    for position in range(first, last):
        if lines[position]:
            blocks[-1].append(position)
        elif blocks[-1]:
            blocks.append([])
    return [block for block in blocks if block]


def _is_comment(lines: Sequence[str], block: Sequence[int]) -> bool:
    """Whether a WebVTT block is a comment, a style or the header."""
    words = lines[block[0]].lstrip("\ufeff").split(maxsplit=1)
    return bool(words) and words[0] in _WEBVTT_BLOCKS
