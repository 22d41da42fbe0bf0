"""Split a line of RTTM into columns, which are only separated by spaces.

``SPEAKER recording channel start duration <NA> <NA> speaker confidence lookahead``; the last two
may be missing. Some programs write names of recordings and speakers with spaces, so the columns are
chosen such that all other columns are valid.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from mmerc.errors import InputError

NOT_AVAILABLE = "<NA>"
_FEWEST_FIELDS = 8
_LAST_COLUMNS = 2  # confidence and lookahead time
_KINDS = frozenset(
    {
        "SPEAKER", "SPKR-INFO", "SEGMENT", "NOSCORE", "NO_RT_METADATA", "LEXEME", "NON-LEX",
        "NON-SPEECH", "FILLER", "EDIT", "IP", "SU", "CB", "A/P",
    }
)  # fmt: skip
FIX = "write SPEAKER RECORDING 1 START DURATION <NA> <NA> NAME <NA> <NA>"
_CHANNEL = re.compile(r"\d{1,3}|[A-Za-z]|<NA>")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class RttmFields:
    """The used columns of a turn, unparsed.

    ``doubtful``: the speaker's name ends with a number that may be the confidence.
    """

    recording: str
    start: str
    duration: str
    speaker: str
    doubtful: bool = False


def read_fields(where: str, line: str) -> RttmFields | None:
    """Read the columns of a ``SPEAKER`` line; None for other kinds, comments and empty lines.

    InputError for an unknown kind, and for invalid or ambiguous columns.
    """
    fields = _split_line(line)
    if not fields or fields[0].startswith(";"):
        return None
    if fields[0] not in _KINDS:
        problem = f"{fields[0][:40]!r} is not a type of RTTM line"
        raise InputError(where, problem, FIX)
    if fields[0] != "SPEAKER":
        return None
    if len(fields) < _FEWEST_FIELDS:
        problem = f"{len(fields)} fields where {_FEWEST_FIELDS} are needed"
        raise InputError(where, problem, FIX)
    fitting = list(_fitting_columns(fields))
    if len(fitting) > 1:
        problem = "ambiguous columns"
        raise InputError(where, problem, "separate them by tabs, or take spaces out of the names")
    return fitting[0] if fitting else _plain_columns(where, fields)


def _split_line(line: str) -> list[str]:
    """Split at tabs if there are enough, else at any white space."""
    columns = [column.strip() for column in line.strip().split("\t")]
    return columns if len(columns) >= _FEWEST_FIELDS else line.split()


def _fitting_columns(fields: list[str]) -> Iterator[RttmFields]:
    """Yield all ways to read a line with channel, two numbers and ``<NA> <NA>`` in a row.

    The confidence must have a decimal point, so that ``Speaker 1`` stays together.
    """
    for position in range(2, len(fields) - 5):
        channel, start, duration, *unused = fields[position : position + 5]
        numbers = _NUMBER.fullmatch(start[:99]) and _NUMBER.fullmatch(duration[:99])
        if _CHANNEL.fullmatch(channel) and numbers and unused == [NOT_AVAILABLE] * 2:
            rest = fields[position + 5 :]
            name = _drop_last_columns(rest)
            yield RttmFields(
                recording=" ".join(fields[1:position]),
                start=start,
                duration=duration,
                speaker=" ".join(name),
                doubtful=len(name) > 1 and name[-1] in {"0", "1"} and len(rest) - len(name) < 2,
            )


def _drop_last_columns(fields: list[str]) -> list[str]:
    """Remove confidence and lookahead time from a speaker's name."""
    for _ in range(_LAST_COLUMNS):
        last = fields[-1]
        is_unused = last == NOT_AVAILABLE or ("." in last and _NUMBER.fullmatch(last[:99]))
        if len(fields) > 1 and is_unused:
            fields = fields[:-1]
    return fields


def _plain_columns(where: str, fields: list[str]) -> RttmFields:
    """Assign the columns of a line by number, for names without spaces."""
    if len(fields) > _FEWEST_FIELDS + _LAST_COLUMNS or not _CHANNEL.fullmatch(fields[2]):
        problem = "the columns are not those of RTTM"
        raise InputError(where, problem, FIX)
    return RttmFields(recording=fields[1], start=fields[3], duration=fields[4], speaker=fields[7])
