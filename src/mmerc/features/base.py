"""The interface of extractors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.segment import Segment


@dataclass(frozen=True, slots=True)
class Absent:
    """No vector, and why ("no face in any frame"); never a vector of zeros instead."""

    reason: str


class Extractor(Protocol):
    """Turns one modality of an utterance into one vector.

    ``spec`` names modality, width and all that the vectors depend on (weights, versions,
    settings): its fingerprint keeps different vectors apart.
    """

    @property
    def spec(self) -> FeatureSpec: ...

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [spec.dim], finite.

        Damaged, missing or empty media give an ``Absent`` with the kind of problem as its reason;
        no content of a file may raise.
        """
        ...
