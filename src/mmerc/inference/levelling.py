"""Features of a recording, brought to the level of the training data.

Microphone, room and volume shift all acoustic functionals of a recording alike; light, camera and
the face itself shift a face vector. Each dimension is standardised by the recording's own mean and
deviation, then by those of each speaker, and clipped at 5 deviations.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mmerc.features.store import FeatureRow, FeatureTable

_CLIP = 5.0  # deviations
PRIOR = 20  # utterances: weight of the training data beside a recording's own
SPEAKER_PRIOR = 10  # utterances: weight of the recording beside a speaker's own
# [decided] The composed corpus's own test speakers are 0.15 to 0.24 deviations away, over a
# telephone 0.5, in noise 0.7, synthetic voices 1.0, music and humming 1.8
# (benchmarks/recording_level.py).
FAR = 0.8


@dataclass(frozen=True, slots=True)
class Statistics:
    """Mean and deviation over the training utterances. Shape: [D] each."""

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]


def level_table(
    table: FeatureTable,
    training: Statistics,
    *,
    speakers: Mapping[str, str] | None = None,
) -> tuple[FeatureTable, float]:
    """Standardise a recording's vectors by themselves, on the scale of the training data.

    ``speakers``: utterance id to speaker; None levels the recording as a whole. Also returns how
    far the recording is from the training data: the median over the dimensions of the distance of
    its mean, in deviations of the training data; 0 if there are no vectors.

    [decided] The training data counts as 20 utterances beside the recording's own, and the
    recording as 10 beside a speaker's own, so that a few utterances are not mistaken for what is
    typical of a microphone or a person.
    """
    present = [row for row in table.rows.values() if row.vector is not None]
    if not present:
        return table, 0.0
    vectors = np.stack([row.vector for row in present if row.vector is not None])
    scores = (vectors - training.mean) / training.deviation
    origin = Statistics(np.zeros_like(training.mean), np.ones_like(training.deviation))
    whole = _shrunk_statistics(scores, origin, prior=PRIOR)
    levelled = _standardise(scores, whole)
    if speakers is not None:
        names = np.array([speakers.get(row.utterance, "") for row in present])
        for name in np.unique(names):
            own = scores[names == name]
            statistics = _shrunk_statistics(own, whole, prior=SPEAKER_PRIOR)
            levelled[names == name] = _standardise(own, statistics)
    moved = (levelled * training.deviation + training.mean).astype(np.float32)
    changed = [replace(row, vector=vector) for row, vector in zip(present, moved, strict=True)]
    return _replace_rows(table, changed), float(np.median(np.abs(scores.mean(0))))


def _standardise(scores: NDArray[np.float32], own: Statistics) -> NDArray[np.float32]:
    """Scores in deviations from their own mean, clipped. Shape: [N, D] -> [N, D]."""
    clipped: NDArray[np.float32] = np.clip((scores - own.mean) / own.deviation, -_CLIP, _CLIP)
    return clipped


def _shrunk_statistics(
    scores: NDArray[np.float32], typical: Statistics, *, prior: float
) -> Statistics:
    """Mean and deviation of the scores, shrunk towards ``typical`` as by ``prior`` more rows.

    Shape: scores [N, D] -> [D] each.
    """
    share = len(scores) / (len(scores) + prior)
    mean = share * scores.mean(0) + (1 - share) * typical.mean
    spread = share * ((scores - mean) ** 2).mean(0)
    spread += (1 - share) * (typical.deviation**2 + (typical.mean - mean) ** 2)
    return Statistics(mean, np.sqrt(spread))


def _replace_rows(table: FeatureTable, rows: list[FeatureRow]) -> FeatureTable:
    """The table with some of its rows replaced."""
    changed = {(row.conversation, row.utterance): row for row in rows}
    return replace(table, rows={**table.rows, **changed})
