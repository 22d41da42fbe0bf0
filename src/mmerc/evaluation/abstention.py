"""Selective prediction: scores of a model that abstains if it is unsure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmerc.evaluation.metrics import Scores, labelled, score
from mmerc.evaluation.predictions import Predictions

ANSWERED = (1.0, 0.9, 0.75, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class AbstentionScore:
    """Scores of the utterances whose highest probability is at least ``threshold``.

    ``planned``: share (0 to 1) of utterances above the threshold where it was chosen; ``answered``:
    the same share among the scored utterances.
    """

    planned: float
    threshold: float
    answered: float
    scores: Scores


def measure_abstention(
    chosen_on: Predictions, scored: Predictions, *, planned: Sequence[float] = ANSWERED
) -> tuple[AbstentionScore, ...]:
    """Choose thresholds on some predictions, and apply them to others.

    Thresholds without remaining labelled utterances are omitted. InputError if ``scored`` has no
    labels.
    """
    confidence = chosen_on.probabilities.max(axis=1)
    rows = labelled(scored)
    highest = rows.probabilities.max(axis=1)
    measured = []
    for share in planned:
        threshold = 0.0 if share == 1 else float(np.quantile(confidence, 1 - share))
        kept = highest >= threshold
        if kept.any():
            measured.append(
                AbstentionScore(
                    planned=share,
                    threshold=threshold,
                    answered=float(kept.mean()),
                    scores=score(rows.where(kept)),
                )
            )
    return tuple(measured)
