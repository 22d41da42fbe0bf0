"""Tiers of annotated intervals, as ELAN and Praat keep them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_LAYER = re.compile(r" \(\d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A stretch of time with its text, in seconds; ``end`` is ``start`` for a point."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationTier:
    """A named row of intervals in order of time.

    ``kind`` is ELAN's linguistic type, ``participant`` who speaks, ``annotator`` who annotated;
    each is empty if the file does not say.
    """

    name: str
    kind: str
    participant: str
    annotator: str
    intervals: tuple[Interval, ...]

    @property
    def speaker(self) -> str:
        """Who speaks: the participant, or what follows ``@`` in the name."""
        if self.participant:
            return self.participant
        _, _, name = self.name.partition("@")
        return _LAYER.sub("", name)

    def is_kind(self, kind: str) -> bool:
        """Whether the tier is of a type, by its linguistic type or the name before ``@``."""
        names = {self.kind.casefold(), self.name.casefold(), self.name.partition("@")[0].casefold()}
        return kind in names


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFile:
    """All tiers of a file; ``media`` are the names of the recordings that it refers to.

    ``strategy`` is how ``mmerc sample`` drew its utterances, empty if it did not.
    """

    path: Path
    tiers: tuple[AnnotationTier, ...]
    media: tuple[str, ...] = ()
    strategy: str = ""
