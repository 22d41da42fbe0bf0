"""Read Praat's TextGrids."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import isfinite
from pathlib import Path

from mmerc.annotation.tier_files import AnnotationTier, Interval, TierFile
from mmerc.errors import InputError
from mmerc.media.text_files import read_small_text

# Praat reads quoted texts, <flags> and free-standing numbers; everything else is a comment.
_TOKEN = re.compile(r'"(?P<text>(?:[^"]|"")*)"|(?P<flag><\w+>)|(?<!\S)(?P<number>[-+]?[\d.]\S*)')
_FIX = "save it from Praat as a text file"


def read_textgrid(path: Path) -> TierFile:
    """Read the interval and point tiers of a TextGrid, long or short, UTF-8 or UTF-16.

    Empty intervals are skipped. InputError if it is damaged, or in Praat's binary format.
    Source: Praat manual, "TextGrid file formats".
    """
    if path.is_file():
        with open(path, "rb") as file:
            if file.read(12) == b"ooBinaryFile":
                raise InputError(path, "a binary TextGrid", _FIX)
    text = read_small_text(path)
    if text.lstrip().startswith("{"):
        raise InputError(path, "a TextGrid in JSON, which Praat cannot read either", _FIX)
    tokens = _Tokens(path, text)
    if (tokens.text(), tokens.text()) != ("ooTextFile", "TextGrid"):
        raise InputError(path, "not a TextGrid", _FIX)
    tokens.number(), tokens.number()
    if tokens.flag() != "<exists>":
        return TierFile(path=path, tiers=())
    return TierFile(path=path, tiers=tuple(_read_tier(tokens) for _ in range(tokens.count())))


class _Tokens:
    """The sequence of values in a file."""

    def __init__(self, path: Path, text: str) -> None:
        self._path = path
        self._text = text
        self._matches: Iterator[re.Match[str]] = _TOKEN.finditer(text)

    def text(self) -> str:
        """Read a quoted text; quotation marks inside are doubled."""
        return self._next("text").replace('""', '"')

    def flag(self) -> str:
        """Read a flag."""
        return self._next("flag")

    def number(self) -> float:
        """Read a number."""
        word = self._next("number")
        try:
            value = float(word)
        except ValueError:
            raise self._error(f"{word!r} is not a number") from None
        if not isfinite(value):
            raise self._error(f"{word!r} is not a number")
        return value

    def count(self) -> int:
        """Read a number of items."""
        value = self.number()
        if value < 0 or value != int(value):
            raise self._error(f"{value} is not a valid number of items")
        return int(value)

    def _next(self, kind: str) -> str:
        match = next(self._matches, None)
        if match is None:
            raise self._error("it ends too early")
        self._place = match.start()
        if match[kind] is None:
            raise self._error(f"{match[0][:40]!r} is not a {kind}")
        return match[kind]

    def _error(self, problem: str) -> InputError:
        line = self._text.count("\n", 0, getattr(self, "_place", 0)) + 1
        return InputError(f"{self._path}, line {line}", f"a damaged TextGrid: {problem}", _FIX)


def _read_tier(tokens: _Tokens) -> AnnotationTier:
    """Read a tier of intervals or points."""
    kind, name = tokens.text(), tokens.text()
    tokens.number(), tokens.number()
    intervals = []
    for _ in range(tokens.count()):
        start = tokens.number()
        end = start if kind == "TextTier" else tokens.number()
        text = tokens.text().strip()
        if text:
            intervals.append(Interval(start=start, end=end, text=text))
    return AnnotationTier(
        name=name, kind="", participant="", annotator="", intervals=tuple(intervals)
    )
