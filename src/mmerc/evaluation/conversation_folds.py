"""Folds of utterances that keep conversations whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_FOLDS = 5


def assign_folds(groups: NDArray[np.intp], *, seed: int) -> NDArray[np.intp]:
    """Assign each utterance to one of five folds, or fewer if there are fewer conversations.

    Shape: groups [N], the number of each utterance's conversation -> [N].
    """
    names = np.unique(groups)
    order = np.random.default_rng(seed).permutation(len(names))
    fold_by_name = dict(zip(names[order].tolist(), range(len(names)), strict=True))
    count = min(_FOLDS, len(names))
    return np.array([fold_by_name[group] % count for group in groups.tolist()], dtype=np.intp)
