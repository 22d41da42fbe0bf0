"""The interface of extractors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.segment import Segment


@dataclass(frozen=True, slots=True)
class Absent:
    """A missing vector with its reason ("no face in any frame"); never replaced by zeros."""

    reason: str


class Extractor(Protocol):
    """Turns one modality of an utterance into one vector.

    ``spec`` has modality, width and everything that the vectors depend on (weights, versions,
    settings). Its fingerprint distinguishes incompatible vectors.
    """

    @property
    def spec(self) -> FeatureSpec: ...

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [spec.dim], finite.

        Damaged, missing or empty media give ``Absent`` with the problem as its reason; the content
        of a file must never raise an error.
        """
        ...
