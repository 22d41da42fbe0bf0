"""Cluster the voices of a whole recording into speakers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import UsageError
from mmerc.media.average_linkage import group_by_average

# [decided] Cosine distances and seconds of speech, chosen on 46 simulated conversations of one to
# eight people (docs/results.md).
_SAME_VOICE, _SAME_SHORT_VOICE = 0.575, 0.85
_SHORT = 2.4
_DIFFERENT = 2.0  # the largest cosine distance, for voices of the same chunk
_MOST_CLUSTERED = 3000  # vectors; above this, an even selection is clustered, the rest assigned


@dataclass(frozen=True, slots=True)
class SpeakerCount:
    """The number of speakers: at least ``fewest``, at most ``most`` (None: no limit)."""

    fewest: int = 1
    most: int | None = None

    def __post_init__(self) -> None:
        if self.fewest < 1 or (self.most is not None and self.most < self.fewest):
            most = "" if self.most is None else f"-{self.most}"
            raise UsageError(
                f"{self.fewest}{most} speakers is not a count; write 2, or a range such as 2-4."
            )

    @classmethod
    def parse(cls, text: str) -> SpeakerCount:
        """Read ``2`` or ``2-4``; UsageError for anything else."""
        first, dash, last = text.partition("-")
        if not (first.strip().isdecimal() and (last.strip().isdecimal() or not dash)):
            raise UsageError(f"{text!r} is not a count; write 2, or a range such as 2-4.")
        return cls(int(first), int(last) if dash else int(first))

    def clip(self, count: int) -> int:
        """Return the allowed count nearest to ``count``."""
        return max(self.fewest, count if self.most is None else min(count, self.most))


def cluster_voices(
    vectors: NDArray[np.float32],
    chunks: Sequence[int],
    seconds: Sequence[float],
    *,
    count: SpeakerCount,
) -> NDArray[np.float32]:
    """Cluster voice vectors and return the mean vector of each speaker.

    Vectors of the same chunk belong to different speakers.

    Shape: unit vectors [N, D], chunk index ``chunks`` [N], speech ``seconds`` [N] -> unit vectors
    [S, D].
    """
    step = -(-len(vectors) // _MOST_CLUSTERED)
    vectors, places = vectors[::step], np.asarray(chunks)[::step]
    durations = np.asarray(seconds, np.float64)[::step] * step
    distances = np.clip(1 - vectors @ vectors.T, 0, _DIFFERENT)
    distances[(places[:, None] == places) & ~np.eye(len(places), dtype=bool)] = _DIFFERENT
    labels = _group(distances, durations, count)
    means = np.stack([vectors[labels == label].mean(0) for label in range(labels.max() + 1)])
    centroids: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return centroids


def _group(
    distances: NDArray[np.float32], seconds: NDArray[np.float64], count: SpeakerCount
) -> NDArray[np.intp]:
    """Group by average linkage up to the threshold, within the allowed count."""
    if len(distances) == 1:
        return np.zeros(1, dtype=np.intp)
    pairs = distances[np.triu_indices(len(distances), 1)]
    labels = group_by_average(pairs, threshold=_SAME_VOICE)
    labels = _merge_short(labels, distances, seconds)
    estimate = int(labels.max()) + 1
    allowed = min(count.clip(estimate), len(distances))
    if allowed == estimate:
        return labels
    return group_by_average(pairs, groups=allowed)


def _merge_short(
    labels: NDArray[np.intp], distances: NDArray[np.float32], seconds: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Merge groups with little speech into the nearest group, unless it is too far.

    A short or noisy passage gives an outlier vector, which is not another speaker.
    """
    members = np.eye(int(labels.max()) + 1)[labels]
    sums = members.T @ distances @ members  # sums of the distances between two groups
    while True:
        counts, durations = np.bincount(labels), np.bincount(labels, seconds)
        means = sums / np.outer(counts, counts)
        np.fill_diagonal(means, np.inf)
        means[durations >= _SHORT] = np.inf
        short, other = divmod(int(means.argmin()), len(means))
        if means[short, other] > _SAME_SHORT_VOICE:
            return labels
        labels = np.unique(np.where(labels == short, other, labels), return_inverse=True)[1]
        sums[other] += sums[short]
        sums[:, other] += sums[:, short]
        sums = np.delete(np.delete(sums, short, 0), short, 1)


def assign_voices(
    vectors: NDArray[np.float32], centroids: NDArray[np.float32]
) -> list[tuple[int, int]]:
    """Assign the voices of one chunk to different speakers, with the best total similarity.

    Shape: [V, D], [S, D] -> pairs of voice and speaker.
    """
    from scipy.optimize import linear_sum_assignment  # slow to import

    rows, columns = linear_sum_assignment(-(vectors @ centroids.T))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))
