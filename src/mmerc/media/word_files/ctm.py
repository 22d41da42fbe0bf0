"""Read CTM, NIST's format for timed words (sctk; RT-09 evaluation plan, appendix C)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from mmerc.errors import InputError
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.recording_choice import choose_recording
from mmerc.media.sentences import Word

_FEWEST_FIELDS, _MOST_FIELDS = 5, 8
_FIX = "write RECORDING 1 START DURATION WORD [CONFIDENCE [TYPE [SPEAKER]]]"
_NOT_AVAILABLE = {"<na>", "na", "-"}
_UNSPOKEN = re.compile(r"<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|!SIL", re.IGNORECASE)  # <eps>, [noise]
_ALTERNATIVES = {"<ALT_BEGIN>": False, "<ALT>": True, "<ALT_END>": False}  # skip the next words?
_UNSPOKEN_TYPES = {"non-lex", "non-speech", "misc", "noscore"}
_TIME = r"(?:\d*\.?\d+|\*)"
_SIGN = re.compile(rf"\S+[ \t]+\S+[ \t]+{_TIME}[ \t]+{_TIME}[ \t]+\S+")


def is_ctm(text: str) -> bool:
    """Whether the first line other than a comment has the columns of CTM."""
    lines = (line.strip() for line in text.split("\n"))
    first = next((line for line in lines if line and not line.startswith(";;")), "")
    return _SIGN.match(first) is not None


def read_ctm(
    path: str, text: str, remarks: LineRemarks, *, media: str | Path | None = None
) -> list[Word]:
    """Read the words of a CTM file; ``path`` is used in errors.

    Of several recordings, the one with the name of the file ``media`` is read. The first of
    alternatives (``<ALT_BEGIN>``) is read. With several channels and no speakers, each channel is a
    speaker: "channel A".

    InputError, with the line, for wrong columns and invalid times or confidences; also for words of
    several recordings.
    """
    rows = list(_split_lines(path, text))
    recording = choose_recording(path, (fields[0] for _, fields in rows), media, what="words")
    selected = ((number, fields) for number, fields in rows if fields[0] == recording)
    lines = list(_read_lines(path, selected, remarks))
    channels = {channel for channel, _ in lines}
    if len(channels) < 2 or any(word.speaker is not None for _, word in lines):
        return [word for _, word in lines]
    return [replace(word, speaker=f"channel {channel}") for channel, word in lines]


def _split_lines(path: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield number and columns of every line that is not a comment."""
    for number, line in enumerate(text.split("\n"), start=1):
        fields = line.split()
        if not fields or fields[0].startswith(";;"):
            continue
        if not _FEWEST_FIELDS <= len(fields) <= _MOST_FIELDS:
            problem = f"{len(fields)} fields where {_FEWEST_FIELDS} to {_MOST_FIELDS} are expected"
            raise InputError(f"{path}, line {number}", problem, _FIX)
        yield number, fields


def _read_lines(
    path: str, lines: Iterable[tuple[int, list[str]]], remarks: LineRemarks
) -> Iterator[tuple[str, Word]]:
    """Yield channel and word of every line with a spoken word."""
    alternative = False  # another alternative for the same words
    for number, fields in lines:
        if fields[4].upper() in _ALTERNATIVES:
            alternative = _ALTERNATIVES[fields[4].upper()]
            continue
        word = _read_word(f"{path}, line {number}", fields)
        if alternative:
            remarks.add(number, "another alternative, left out", quote=fields[4])
        elif word is None:
            remarks.add(number, "no spoken word, left out", quote=fields[4])
        else:
            yield fields[1], word


def _read_word(where: str, fields: list[str]) -> Word | None:
    """Read the word of one line; None if it is not spoken."""
    start, duration = (_read_number(where, field) for field in fields[2:4])
    confidence, kind, speaker = [*fields[5:], *["<NA>"] * (_MOST_FIELDS - len(fields))]
    probability = _read_confidence(where, confidence)
    if kind.lower() in _UNSPOKEN_TYPES or _UNSPOKEN.fullmatch(fields[4]):
        return None
    return Word(
        text=fields[4],
        start=round(start, 3),
        end=round(start + duration, 3),
        probability=probability,
        speaker=None if speaker.lower() in _NOT_AVAILABLE else speaker,
    )


def _read_number(where: str, field: str) -> float:
    """Read a time or duration in seconds."""
    if not re.fullmatch(r"\d{1,9}(?:\.\d*)?|\.\d+", field):
        raise InputError(where, f"{field[:40]!r} is not a time in seconds", _FIX)
    return float(field)


def _read_confidence(where: str, field: str) -> float:
    """Read a confidence from 0 to 1; 1 if missing."""
    if field.lower() in _NOT_AVAILABLE:
        return 1.0
    if not re.fullmatch(r"[01](?:\.\d*)?|\.\d+", field) or float(field) > 1:
        raise InputError(where, f"{field[:40]!r} is not a confidence from 0 to 1", _FIX)
    return float(field)
