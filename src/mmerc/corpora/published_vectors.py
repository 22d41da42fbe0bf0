"""Published vectors, where zeros mean absent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Modality
from mmerc.corpora.base import Vectors


def zeros_as_absent(vector: NDArray[np.float32], modality: Modality) -> NDArray[np.float32] | None:
    """Return None for an all-zero audio or video vector, which means no signal.

    Shape: vector [D]. A text vector is returned unchanged.
    """
    return vector if modality == "text" or vector.any() else None


def absence_notes(features: Mapping[Modality, Vectors]) -> tuple[str, ...]:
    """Return a remark for each modality with absent vectors."""
    counts = {
        modality: sum(vector is None for vector in vectors.values())
        for modality, vectors in features.items()
    }
    return tuple(
        f"{count} of {len(features[modality])} {modality} vectors are all zeros: counted as absent."
        for modality, count in counts.items()
        if count
    )
