"""Vectors that were published with a corpus: zeros stand for something absent."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Modality
from mmerc.corpora.base import Vectors


def zeros_as_absent(vector: NDArray[np.float32], modality: Modality) -> NDArray[np.float32] | None:
    """None for an audio or video vector of nothing but zeros: its source had no such signal.

    Shape: vector [D]. A text vector is kept as it is.
    """
    return vector if modality == "text" or vector.any() else None


def absence_notes(features: Mapping[Modality, Vectors]) -> tuple[str, ...]:
    """One sentence for every modality in which vectors are absent."""
    counts = {
        modality: sum(vector is None for vector in vectors.values())
        for modality, vectors in features.items()
    }
    return tuple(
        f"{count} of {len(features[modality])} {modality} vectors are all zeros: taken as absent."
        for modality, count in counts.items()
        if count
    )
