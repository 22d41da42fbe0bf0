"""What every extractor of utterance vectors does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.segment import Segment


@dataclass(frozen=True, slots=True)
class Absent:
    """There is no vector, and why ("no face in any frame"): never a vector of zeros instead."""

    reason: str


class Extractor(Protocol):
    """One modality of an utterance as one vector.

    ``spec`` names modality, width and all that the vectors depend on (weights, versions,
    settings): its fingerprint keeps vectors of different makes apart.
    """

    @property
    def spec(self) -> FeatureSpec: ...

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [spec.dim], finite.

        Damaged, missing or empty media make an ``Absent`` with the kind of trouble as its reason;
        nothing that a file holds may raise.
        """
        ...
