"""Read dialogue lines of ASS and SSA files; fonts, pictures and styles are ignored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mmerc.media.cue_times import parse_stamp
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.timed_cues import DAMAGED, Cue

_COLUMNS = (
    "layer", "start", "end", "style", "name", "marginl", "marginr", "marginv", "effect", "text",
)  # fmt: skip
_EVENTS = ("dialogue", "comment", "format", "picture", "sound", "movie", "command")
_STAMP = re.compile(r"-?\d{1,6}:\d{1,2}:\d{1,2}(?:[.,:]\d{1,3})?")
_SECTION = re.compile(r"\[[^\[\]]{1,40}\]")
_KNOWN_COLUMNS = {*_COLUMNS, "marked", "actor", "margint", "marginb"}
_NO_COLUMNS = "a format whose columns cannot be read; the usual columns are used"
_MARGINS = ("marginl", "marginr", "marginv")
_MARGIN = re.compile(r"[-+\d.]*")
_MISFIT = "columns that do not fit the format; the name and the words may be wrong"
_UNREAD = "no line of dialogue that can be read, left out"


def read_ass_cues(text: str, *, remarks: LineRemarks) -> list[Cue]:
    """Read all dialogue lines in file order, with the columns given in ``Format``."""
    columns: Sequence[str] = _COLUMNS
    cues: list[Cue] = []
    for number, kind, content in _event_lines(text):
        fields = [field.strip() for field in content.split(",", len(columns) - 1)]
        if kind == "format" and _are_columns(named := content.lower().split(",")):
            columns = [name.strip() for name in named]
        elif kind == "dialogue" and len(fields) == len(columns):
            values = dict(zip(columns, fields, strict=True))
            cues.append(dialogue(number, values, remarks))
        elif kind == "format":
            remarks.add(number, _NO_COLUMNS)
        elif kind not in _EVENTS or kind == "dialogue":
            remarks.add(number, _UNREAD)
    return cues


def _are_columns(named: Sequence[str]) -> bool:
    """Whether a format has all required columns, none unknown or repeated."""
    names = {name.strip() for name in named}
    return {"start", "end", "text"} <= names <= _KNOWN_COLUMNS and len(names) == len(named)


def _event_lines(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield number, kind and content of event lines, and of dialogue lines anywhere.

    Without an events header, every line may be an event.
    """
    lines = [line.strip().lstrip("\ufeff") for line in text.split("\n")]
    has_sections = any(line.lower() == "[events]" for line in lines)
    in_events = not has_sections
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        if _SECTION.fullmatch(line[:50]):
            in_events = not has_sections or line.lower() == "[events]"
            continue
        kind, _, content = line.partition(":")
        kind = kind.strip().lower()
        if kind == "dialogue" or (in_events and not line.startswith((";", "!"))):
            yield number, kind, content.strip()


def dialogue(number: int, values: dict[str, str], remarks: LineRemarks) -> Cue:
    """Build the cue of a dialogue line."""
    start, end = (
        parse_stamp(values[column]) if _STAMP.fullmatch(values[column]) else None
        for column in ("start", "end")
    )
    if start is None or end is None:
        remarks.add(number, DAMAGED)
        start = end = None
    if not all(_MARGIN.fullmatch(values.get(name, "")) for name in _MARGINS):
        remarks.add(number, _MISFIT)
    return Cue(
        line=number,
        start=start,
        end=end,
        text=values["text"],
        name=values.get("name", values.get("actor", "")),
    )
