"""Combine several extractors of one modality by concatenation."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mmerc.features.base import Absent, Extractor
from mmerc.features.store import FeatureSpec, Vector
from mmerc.media.segment import Segment

JOINT = "+"  # joins the names: whisper+is10


class CombinedExtractor:
    """Concatenates the vectors of ``parts``, all of one modality; absent if any is absent."""

    def __init__(self, parts: Sequence[Extractor]) -> None:
        self.parts = parts
        self.spec = join_specs([part.spec for part in parts])

    def extract(self, segment: Segment) -> Vector | Absent:
        """Shape: -> float32 [sum of the parts' widths]."""
        vectors = []
        for part in self.parts:
            vector = part.extract(segment)
            if isinstance(vector, Absent):
                return vector
            vectors.append(vector)
        return np.concatenate(vectors)


def join_specs(specs: Sequence[FeatureSpec]) -> FeatureSpec:
    """Describe the concatenated vectors: all settings of each part, under the part's name."""
    settings = {
        f"{spec.extractor}.{key}": value for spec in specs for key, value in spec.settings.items()
    }
    return FeatureSpec(
        modality=specs[0].modality,
        extractor=JOINT.join(spec.extractor for spec in specs),
        dim=sum(spec.dim for spec in specs),
        settings=settings,
    )
