"""CTM, NIST's format of words with times (sctk; RT-09 evaluation plan, appendix C)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mmerc.errors import InputError
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.sentences import Word

_FEWEST_FIELDS, _MOST_FIELDS = 5, 8
_FIX = "write RECORDING 1 START DURATION WORD [CONFIDENCE [TYPE [SPEAKER]]]"
_NOT_AVAILABLE = {"<na>", "na", "-"}
_UNSPOKEN = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|!SIL", re.IGNORECASE)  # <eps>, [noise]
_UNSPOKEN_TYPES = {"non-lex", "non-speech", "misc", "noscore"}
_SIGN = re.compile(r"\S+[ \t]+\S+[ \t]+\d*\.?\d+[ \t]+\d*\.?\d+[ \t]+\S+")


def is_ctm(text: str) -> bool:
    """Whether the first line that is no comment has the columns of CTM."""
    lines = (line.strip() for line in text.split("\n"))
    first = next((line for line in lines if line and not line.startswith(";;")), "")
    return _SIGN.match(first) is not None


def read_ctm(path: str, text: str, remarks: LineRemarks) -> Iterator[Word]:
    """The words of a CTM file; ``path`` names it in errors.

    InputError with the line for columns that do not fit, times or confidences that are none, and
    words of a second recording.
    """
    recording: str | None = None
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        where = f"{path}, line {number}"
        if not _FEWEST_FIELDS <= len(fields) <= _MOST_FIELDS:
            problem = f"{len(fields)} fields where {_FEWEST_FIELDS} to {_MOST_FIELDS} are expected"
            raise InputError(where, problem, _FIX)
        recording = recording or fields[0]
        if fields[0] != recording:
            problem = f"words of two recordings ({recording}, {fields[0]})"
            raise InputError(where, problem, "keep the words of one recording in a file")
        start, duration = (_read_number(where, field) for field in fields[2:4])
        confidence, kind, speaker = [*fields[5:], *["<NA>"] * (_MOST_FIELDS - len(fields))]
        probability = _read_confidence(where, confidence)
        if kind.lower() in _UNSPOKEN_TYPES or _UNSPOKEN.fullmatch(fields[4]):
            remarks.add(number, "no spoken word, left out", quote=fields[4])
            continue
        yield Word(
            text=fields[4],
            start=round(start, 3),
            end=round(start + duration, 3),
            probability=probability,
            speaker=None if speaker.lower() in _NOT_AVAILABLE else speaker,
        )


def _read_number(where: str, field: str) -> float:
    """A time or a duration in seconds."""
    if not re.fullmatch(r"\d{1,9}(?:\.\d*)?|\.\d+", field):
        raise InputError(where, f"{field[:40]!r} is not a time in seconds", _FIX)
    return float(field)


def _read_confidence(where: str, field: str) -> float:
    """A confidence from 0 to 1; 1 where there is none."""
    if field.lower() in _NOT_AVAILABLE:
        return 1.0
    if not re.fullmatch(r"[01](?:\.\d*)?|\.\d+", field) or float(field) > 1:
        raise InputError(where, f"{field[:40]!r} is not a confidence from 0 to 1", _FIX)
    return float(field)
