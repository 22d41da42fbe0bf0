"""Remarks about the lines of a file, grouped by kind so that a thousand give one sentence."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_LISTED = 3  # listed lines or names; the rest are counted


@dataclass(slots=True)
class LineRemarks:
    """Doubts about the lines of the file ``name``."""

    name: str
    lines: dict[str, list[int]] = field(default_factory=dict)
    quotes: dict[str, list[str]] = field(default_factory=dict)

    def add(self, line: int, problem: str, *, quote: str = "") -> None:
        """Add a problem of one line (counted from 1), with the words in question."""
        self.lines.setdefault(problem, []).append(line)
        if quote:
            self.quotes.setdefault(problem, []).append(quote)

    def sentences(self) -> tuple[str, ...]:
        """Return one sentence per problem, in order of first occurrence."""
        return tuple(self._sentence(problem) for problem in self.lines)

    def _sentence(self, problem: str) -> str:
        numbers = list(dict.fromkeys(self.lines[problem]))
        where = f"line{'s' if len(numbers) > 1 else ''} {enumerate_some(map(str, numbers))}"
        quotes = dict.fromkeys(self.quotes.get(problem, ()))
        quoted = f" ({enumerate_some(repr(quote[:60]) for quote in quotes)})" if quotes else ""
        return f"{self.name}, {where}: {problem}{quoted}."


def enumerate_some(items: Iterable[str]) -> str:
    """Format as ``a``, ``a and b``, ``a, b and c``; further items are only counted."""
    listed = list(items)
    if len(listed) > _LISTED + 1:
        listed = [*listed[:_LISTED], f"{len(listed) - _LISTED:,} more"]
    *first, last = listed
    return f"{', '.join(first)} and {last}" if first else last
