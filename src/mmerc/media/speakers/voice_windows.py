"""Voice vectors of short windows over a recording, to separate voices within a chunk."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mmerc.media.average_linkage import group_by_average
from mmerc.media.resampling import SAMPLE_RATE
from mmerc.media.speakers.filterbank import STEP_SAMPLES
from mmerc.media.speakers.segmentation import CHUNK_FRAMES, FRAME_SECONDS
from mmerc.media.speakers.voice_encoder import encode_voices

WINDOW_SECONDS, _HOP_SECONDS = 1.5, 0.75
WINDOW_FRAMES = int(WINDOW_SECONDS / FRAME_SECONDS)
_WINDOW_STEPS = int(WINDOW_SECONDS * SAMPLE_RATE / STEP_SAMPLES)
_SPEECH_SHARE = 0.5
_ALONE_SHARE = 0.7
_SPLIT_COSINE = 0.25  # [decided] on simulated conversations: docs/results.md
_FEWEST_WINDOWS = 2  # minimum for each of two people
_MOST_ROUNDS = 5


class VoiceWindows:
    """Windows of 1.5 s with speech, one every 0.75 s."""

    def __init__(self) -> None:
        self._next = 0  # number of the first window not yet encoded
        self._middles: list[float] = []
        self._vectors: list[NDArray[np.float32]] = []

    def encode(self, start: float, filterbank: Tensor, active: NDArray[np.bool_]) -> None:
        """Encode the windows that end in this chunk and not in earlier ones.

        Shape: filterbank [T, 80] and active [589, 3] of the chunk from second ``start`` on.
        """
        speech = np.asarray(active.any(axis=1))
        middles, windows = [], []
        while True:
            begin = self._next * _HOP_SECONDS - start
            first = round(begin * SAMPLE_RATE / STEP_SAMPLES)
            if first + _WINDOW_STEPS > len(filterbank):
                break
            self._next += 1
            frame = round(begin / FRAME_SECONDS)
            if first >= 0 and speech[max(0, frame) : frame + WINDOW_FRAMES].mean() >= _SPEECH_SHARE:
                windows.append(filterbank[first : first + _WINDOW_STEPS])
                middles.append(start + begin + WINDOW_SECONDS / 2)
        if windows:
            self._middles += middles
            self._vectors += list(encode_voices(windows).numpy())

    def find_alone(self, start: float, alone: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Find the windows of a chunk with only one local speaker.

        Shape: ``alone`` [589] of the chunk from second ``start`` on -> numbers of windows.
        """
        end = start + (CHUNK_FRAMES + 1) * FRAME_SECONDS
        near = np.arange(bisect_left(self._middles, start), bisect_right(self._middles, end))
        frames = self.locate(start, near)
        half = WINDOW_FRAMES // 2
        inside = np.flatnonzero((frames >= half) & (frames < CHUNK_FRAMES - half))
        sums = np.concatenate([[0], np.cumsum(alone)])
        shares = (sums[frames[inside] + half] - sums[frames[inside] - half]) / (2 * half)
        chosen: NDArray[np.intp] = near[inside[shares >= _ALONE_SHARE]]
        return chosen

    def locate(self, start: float, numbers: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the frames of the numbered windows' centres, counted from second ``start``."""
        middles = np.array([self._middles[number] for number in numbers])
        return np.rint((middles - start) / FRAME_SECONDS).astype(np.intp)

    def vectors(self, numbers: Sequence[int] | NDArray[np.intp]) -> NDArray[np.float32]:
        """Shape: -> [n, 192]."""
        return np.stack([self._vectors[number] for number in numbers])


def split_voices(vectors: NDArray[np.float32]) -> NDArray[np.intp] | None:
    """Assign windows to two people (0 or 1 each); None if they belong to one person.

    There are two people if two groups (average linkage, then 2-means) are dissimilar.

    Shape: unit vectors [n, D] -> [n].
    """
    if len(vectors) < 2 * _FEWEST_WINDOWS:
        return None
    labels = _pair_up(vectors)
    centroids = _average_groups(vectors, labels)
    for _ in range(_MOST_ROUNDS):
        nearest = (vectors @ centroids.T).argmax(1)
        if len(set(nearest)) < 2 or (nearest == labels).all():
            break
        labels = nearest
        centroids = _average_groups(vectors, labels)
    apart = float(centroids[0] @ centroids[1]) < _SPLIT_COSINE
    return labels if apart and np.bincount(labels).min() >= _FEWEST_WINDOWS else None


def _pair_up(vectors: NDArray[np.float32]) -> NDArray[np.intp]:
    """Form two groups by average linkage of cosine distances."""
    from scipy.spatial.distance import pdist  # slow to import

    return group_by_average(pdist(vectors, "cosine"), groups=2)


def _average_groups(vectors: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float32]:
    """Return the mean vectors of both groups, with length 1. Shape: -> [2, D]."""
    means = np.stack([vectors[labels == label].mean(0) for label in (0, 1)])
    centroids: NDArray[np.float32] = means / np.linalg.norm(means, axis=1, keepdims=True)
    return centroids
