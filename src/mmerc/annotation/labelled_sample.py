"""Labels of a sample, matched with its predictions."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.annotation.matching import match_raters
from mmerc.annotation.predicted_rows import PredictedRows
from mmerc.annotation.rater_files import name_conversations, read_raters
from mmerc.errors import InputError

_PREDICTED, _SAMPLE = "predictions", "sample"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LabelledSample:
    """Predicted and gold labels as indices of ``labels``; gold is negative if unlabelled.

    ``strategies``: sampling strategies stated in the sample (``mmerc sample``).
    Shape: predicted and gold [N].
    """

    labels: tuple[str, ...]
    predicted: NDArray[np.int64]
    gold: NDArray[np.int64]
    strategies: frozenset[str]


def match_sample(rows: PredictedRows, sample: Path) -> LabelledSample:
    """Match the labels of a file or folder with predictions, by id or by time.

    InputError for several raters, utterances without prediction, or unknown labels.
    """
    raters = read_raters([sample])
    if len(raters) != 1:
        problem = f"labels of {len(raters)} raters ({', '.join(raters)})"
        raise InputError(sample, problem, "agree on one label per utterance, in a separate file")
    (rated,) = raters.values()
    lines = name_conversations({_PREDICTED: list(rows.lines), _SAMPLE: rated})
    ratings, _ = match_raters(lines, rows.labels or None)
    count = len(rows.lines)
    foreign = int((ratings.values[1, count:] >= 0).sum())
    if foreign:
        problem = f"{foreign} of its labels belong to utterances that were not predicted"
        raise InputError(sample, problem, "name the predictions that the sample was drawn from")
    predicted, gold = ratings.values[:, :count]
    return LabelledSample(
        labels=ratings.labels,
        predicted=predicted,
        gold=gold,
        strategies=frozenset(line.strategy for line in rated if line.label) - {""},
    )
