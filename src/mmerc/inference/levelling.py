"""Audio features of a recording, brought to the level of the training data.

Microphone, room and volume shift all acoustic functionals of a recording alike. Each dimension is
standardised by the recording's own mean and deviation and clipped at 5 deviations.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmerc.features.store import FeatureRow, FeatureTable

CLIP = 5.0  # deviations
PRIOR = 20  # utterances
# [decided] The composed corpus's own test speakers are 0.15 to 0.24 deviations away, over a
# telephone 0.5, in noise 0.7, synthetic voices 1.0, music and humming 1.8
# (benchmarks/recording_level.py).
FAR = 0.8


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and deviation over the training utterances. Shape: [D] each."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def level_table(table: FeatureTable, training: Statistics) -> tuple[FeatureTable, float]:
    """Standardise a recording's vectors by themselves, on the scale of the training data.

    Also returns how far the recording is from the training data: the median over the dimensions of
    the distance of its mean, in deviations of the training data; 0 if there are no vectors.

    [decided] The training data counts as 20 utterances beside the recording's own, so that a short
    recording is not mistaken for typical of its microphone.
    """
    present = [row for row in table.rows.values() if row.vector is not None]
    if not present:
        return table, 0.0
    vectors = np.stack([row.vector for row in present if row.vector is not None])
    scores = (vectors - training.mean) / training.deviation
    share = len(scores) / (len(scores) + PRIOR)
    centre = share * scores.mean(0)
    spread = share * ((scores - centre) ** 2).mean(0) + (1 - share) * (1 + centre**2)
    own = np.clip((scores - centre) / np.sqrt(spread), -CLIP, CLIP)
    moved = (own * training.deviation + training.mean).astype(np.float32)
    rows = [replace(row, vector=vector) for row, vector in zip(present, moved, strict=True)]
    return replace_rows(table, rows), float(np.median(np.abs(scores.mean(0))))


def replace_rows(table: FeatureTable, rows: list[FeatureRow]) -> FeatureTable:
    """The table with some of its rows replaced."""
    changed = {(row.conversation, row.utterance): row for row in rows}
    return replace(table, rows={**table.rows, **changed})
