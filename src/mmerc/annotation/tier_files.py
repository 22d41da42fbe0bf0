"""Tiers of annotated intervals, as in ELAN and Praat."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_LAYER = re.compile(r" \(\d+\)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A time interval with text, in seconds; ``end`` equals ``start`` for a point."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotationTier:
    """A named row of intervals in order of time.

    ``kind`` is ELAN's linguistic type, ``participant`` the speaker, ``annotator`` the rater; each
    is empty if unknown.
    """

    name: str
    kind: str
    participant: str
    annotator: str
    intervals: tuple[Interval, ...]

    @property
    def speaker(self) -> str:
        """The speaker: the participant, or the part of the name after ``@``."""
        if self.participant:
            return self.participant
        _, _, name = self.name.partition("@")
        return _LAYER.sub("", name)

    def is_kind(self, kind: str) -> bool:
        """Whether the tier has a type, by its linguistic type or its name before ``@``."""
        names = {self.kind.casefold(), self.name.casefold(), self.name.partition("@")[0].casefold()}
        return kind in names


@dataclass(frozen=True, slots=True, kw_only=True)
class TierFile:
    """All tiers of a file; ``media`` are the names of its recordings.

    ``strategy``: sampling strategy of ``mmerc sample``, empty if not sampled.
    """

    path: Path
    tiers: tuple[AnnotationTier, ...]
    media: tuple[str, ...] = ()
    strategy: str = ""
