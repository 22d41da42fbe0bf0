"""Coverage and size of prediction sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation.conformal import SetMethod, label_sets
from mmerc.evaluation.metrics import labelled
from mmerc.evaluation.predictions import Predictions


@dataclass(frozen=True, slots=True, kw_only=True)
class SetCoverage:
    """Coverage (0 to 1), the mean number of labels in a set, and the share of large sets.

    ``by_label``: coverage of each label that occurs. ``unsure``: share of sets larger than allowed.
    """

    coverage: float
    size: float
    unsure: float
    by_label: Mapping[str, float]
    utterances: int


def measure_coverage(
    predictions: Predictions,
    method: SetMethod,
    thresholds: float | NDArray[np.float64],
    *,
    most_labels: int = 3,
) -> SetCoverage:
    """Measure the sets of labelled utterances; InputError without labels."""
    scored = labelled(predictions)
    sets = label_sets(scored.probabilities.astype(np.float64), method, thresholds)
    covered = sets[np.arange(len(scored)), scored.gold]
    sizes = sets.sum(axis=1)
    return SetCoverage(
        coverage=float(covered.mean()),
        size=float(sizes.mean()),
        unsure=float((sizes > most_labels).mean()),
        by_label={
            name: float(covered[scored.gold == label].mean())
            for label, name in enumerate(scored.labels)
            if (scored.gold == label).any()
        },
        utterances=len(scored),
    )
