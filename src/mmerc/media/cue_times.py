"""Parse the times of subtitle cues, as written by programs and people.

Every pattern is only tried at the start of a line, so that malicious lines are cheap.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

LONGEST_TIMES = 200  # characters of a line that are searched for two times
_UNITS = (3_600_000, 60_000, 1000)  # milliseconds per hour, minute, second
_SPACES_INSIDE = re.compile(
    r"(?<=\d)\s*([:.,])\s*(?=\d)"
)  # "00: 00: 01, 500", as some translators write
_STAMP = r"-?\d{1,6}(?::\d{1,6}){0,3}(?:[.,]\d{1,9})?"
_EXACT_STAMP = r"\d{1,6}(?::\d{1,2}){1,2}[.,]\d{1,3}"
_ARROW = r"\s*(?:[-‐‑–—−]{1,3}\s?>|→)\s*"
_TIMES = re.compile(rf"\s*\[?\s*({_STAMP}){_ARROW}({_STAMP})\s*\]?(?=\s|$)(.*)", re.DOTALL)
_WITHOUT_ARROW = re.compile(rf"\s*({_EXACT_STAMP})\s*[\s,;–-]\s*({_EXACT_STAMP})\s*()$")
_FRACTION = re.compile(r"[.,]|:\d{3}$")
_SETTINGS = re.compile(r"(?:\s*[A-Za-z]\w*:\S*)*\s*")  # align:start position:0%, X1:40
_DAMAGED = re.compile(
    rf"\s*[-\[]?\d.{{0,60}}:.{{0,60}}{_ARROW}\s*\S?\d|\s*{_EXACT_STAMP}[^A-Za-z]{{0,40}}$"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CueTimes:
    """Start and end of a cue in milliseconds, and words after them on the same line.

    ``whole_seconds``: a time was written without a fraction.
    """

    start: int
    end: int
    words: str = ""
    whole_seconds: bool = False


def parse_times(line: str) -> CueTimes | None:
    """Parse two times at the start of a line, separated as in SRT, WebVTT or SBV; else None.

    Settings after them (``align:start``) are dropped; anything else counts as words, as after
    whisper.cpp's ``[00:00:00.000 --> 00:00:04.000]``.
    """
    head = _SPACES_INSIDE.sub(r"\1", line[:LONGEST_TIMES])
    match = _TIMES.match(head) or _WITHOUT_ARROW.match(head)
    if match is None or (":" not in match[1] and "-->" not in head):
        return None
    start, end = parse_stamp(match[1]), parse_stamp(match[2])
    if start is None or end is None:
        return None
    rest = match[3] + line[LONGEST_TIMES:]
    return CueTimes(
        start=start,
        end=end,
        words="" if _SETTINGS.fullmatch(rest[:LONGEST_TIMES]) else rest.strip(),
        whole_seconds=not all(_FRACTION.search(match[position]) for position in (1, 2)),
    )


def parse_stamp(stamp: str) -> int | None:
    """Convert ``H:MM:SS.mmm``, ``MM:SS.mmm`` or ``S.mmm`` to milliseconds, else None.

    **[decided]** A fourth part with three digits is milliseconds; with fewer digits it is a frame
    number, whose duration is unknown.
    """
    whole, _, fraction = stamp.lstrip("-").replace(",", ".").partition(".")
    parts = whole.split(":")
    if len(parts) == 4 and len(parts[3]) == 3 and not fraction:
        fraction = parts.pop()
    if len(parts) > 3 or (len(parts) == 1 and not fraction):
        return None
    numbers = [int(part) for part in parts]
    if any(number >= 60 for number in numbers[1:]):
        return None
    total = sum(n * unit for n, unit in zip(numbers, _UNITS[-len(numbers) :], strict=True))
    total += round(float(f"0.{fraction or 0}") * 1000)
    return -total if stamp.startswith("-") else total


def looks_like_times(line: str) -> bool:
    """Whether a line that ``parse_times`` cannot read was intended as times of a cue."""
    return _DAMAGED.match(line[:LONGEST_TIMES]) is not None
