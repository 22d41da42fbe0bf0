"""Parse times at the start of a transcript's lines, or after a name on a separate line.

Every pattern only checks the start of a line, so that malicious lines are cheap.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal

from mmerc.errors import InputError
from mmerc.media.cue_times import parse_stamp

_LONGEST_HEAD = 120  # characters of a line that are searched for a time
_MARKS = "\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
_STAMP = r"\d{1,6}(?::\d{1,6}){1,3}(?:[.,]\d{1,9})?"
_HALF_DAY = r"(?:\s?(?P<half>[aApP])\.?\s?[mM]\b\.?)?"
_DATE = r"\d{1,4}(?P<mark>[./-])\d{1,2}(?P=mark)\d{1,4}"
_TIME_HEAD = re.compile(
    rf"\s*(?P<open>[\[(])?\s*(?:(?P<date>{_DATE}),?\s+)?(?P<start>{_STAMP}){_HALF_DAY}"
    rf"(?:\s*(?:-{{1,3}}>|[→–—-])\s*(?P<end>{_STAMP}))?\s*(?(open)[\])]|(?=[\s:|–—-]|$))"
    r"\s*(?:[-–—|:](?=\s|$))?\s*"
)
_NAME_LINE = re.compile(
    rf"(?P<name>[^:：]*[^\s:：])\s+(?P<open>[\[(])?(?P<start>{_STAMP})(?(open)[\])]):?\s*"
)
_DAY_FIRST, _MONTH_FIRST = (2, 1, 0), (2, 0, 1)
_FIX = "write a time as 00:01:02 or 1:02, or the line without one"
_DateOrder = Literal["day", "month"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeHead:
    """The time at the start of a line, in seconds, and the words after it.

    ``date``: the numbers of a date before it; ``start`` is then a time of day.
    """

    start: float
    end: float | None
    date: tuple[int, int, int] | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NameLine:
    """A line with a speaker's name and start time, in seconds."""

    speaker: str
    start: float


def find_time(where: str, line: str) -> TimeHead | None:
    """Find the time at the start of a line; None without one, InputError if invalid."""
    bare = line.lstrip(_MARKS + " \t")
    match = _TIME_HEAD.match(bare[:_LONGEST_HEAD])
    if match is None:
        return None
    start, end = _seconds(where, match["start"]), None
    if match["half"] or match["date"]:
        start = _time_of_day(where, match["start"], match["half"] or "")
    elif match["end"]:
        end = _seconds(where, match["end"])
        if end < start:
            problem = f"it ends at {match['end']}, before it starts at {match['start']}"
            raise InputError(where, problem, "fix the times or leave them out")
    date = tuple(int(part) for part in re.split(r"\D", match["date"])) if match["date"] else None
    words = bare[match.end() :].strip()
    return TimeHead(start=start, end=end, date=date, words=words)  # type: ignore[arg-type]


def find_name_line(where: str, line: str) -> NameLine | None:
    """Parse a line such as ``Mara Jones  0:03``; None for other lines."""
    match = _NAME_LINE.fullmatch(line.strip(_MARKS + " \t")[:_LONGEST_HEAD])
    if match is None:
        return None
    return NameLine(speaker=" ".join(match["name"].split()), start=_seconds(where, match["start"]))


def dates_to_seconds(heads: Sequence[TimeHead]) -> tuple[list[float], str | None]:
    """Return seconds since the earliest date, and a remark if the date format is a guess.

    **[decided]** 3/12/2024 is 3 December if all dates allow it and times do not go backwards more
    often than with the month first. InputError for a date that is invalid in all formats.
    """
    choices: list[tuple[int, _DateOrder, list[float]]] = []
    for name, order in (("day", _DAY_FIRST), ("month", _MONTH_FIRST)):
        moments = _moments(heads, order)
        if moments is not None:
            seconds = [(moment - min(moments)).total_seconds() for moment in moments]
            choices.append(
                (_count_decreases(seconds), "day" if name == "day" else "month", seconds)
            )
    if not choices:
        raise InputError("dates", "neither day nor month first fits all of them", "fix the dates")
    _, order_name, seconds = min(choices, key=lambda choice: choice[0])
    guessed = len(choices) == 2 and choices[0][2] != choices[1][2]
    return seconds, f"dates are read with the {order_name} first" if guessed else None


def _count_decreases(seconds: Iterable[float]) -> int:
    """Count how often a time is before the previous one."""
    return sum(later < earlier for earlier, later in pairwise(seconds))


def _moments(heads: Sequence[TimeHead], order: tuple[int, int, int]) -> list[datetime] | None:
    """Parse each head with the date's numbers in this order; None if a date is invalid."""
    moments = []
    for head in heads:
        numbers = head.date or (1, 1, 2000)
        if numbers[0] > 31:  # 2024-03-12
            year, month, day = numbers
        else:
            year, month, day = (numbers[position] for position in order)
        try:
            moment = datetime(year + 2000 * (year < 100), month, day)
        except ValueError:
            return None
        moments.append(moment + timedelta(seconds=head.start))
    return moments


def _seconds(where: str, stamp: str) -> float:
    """Convert a time to seconds; InputError if it is invalid."""
    milliseconds = parse_stamp(stamp)
    if milliseconds is None:
        raise InputError(where, f"{stamp[:40]!r} is not a time", _FIX)
    return milliseconds / 1000


def _time_of_day(where: str, stamp: str, half: str) -> float:
    """Convert ``10:15``, ``10:15:32`` or ``10:15 pm`` (``half``: p) to seconds of the day."""
    seconds = _seconds(where, stamp) * (60 if stamp.count(":") == 1 else 1)
    lowest, highest = (3600, 13 * 3600) if half else (0, 24 * 3600)
    if not lowest <= seconds < highest:
        problem = f"{f'{stamp[:40]} {half}m'.removesuffix(' m')!r} is not a time of day"
        raise InputError(where, problem, _FIX)
    return seconds % 43200 + 43200 * (half.lower() == "p") if half else seconds
