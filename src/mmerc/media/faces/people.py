"""Group the faces of a whole recording into people, also across cuts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from mmerc.media.average_linkage import group_by_average

# Pictures of one person differ by up to 0.6 in dlib's own evaluation; group means by less.
_SAME_PERSON = 0.5
_DIFFERENT = 10.0
_MOST_GROUPED = 3000
_AT_ONCE = 1000  # faces per batch that are compared with all people


def group_faces(
    vectors: NDArray[np.float32], together: Callable[[slice], NDArray[np.bool_]]
) -> NDArray[np.intp]:
    """Assign a person number to every face.

    Faces visible ``together`` are never one person. Of more than 3,000 faces, an even selection is
    grouped; then every face is assigned to the nearest person, without this restriction. Memory is
    linear in the number of faces.

    Shape: vectors [N, 128] (``mmerc.media.faces.identity``), together of M chosen faces [M, M]
    -> [N].
    """
    step = max(1, -(-len(vectors) // _MOST_GROUPED))
    chosen = slice(None, None, step)
    selection = vectors[chosen]
    distances = _measure_distances(selection, selection)
    distances[together(chosen)] = _DIFFERENT
    people = _group(distances)
    if step == 1:
        return people
    means = np.stack([selection[people == person].mean(0) for person in range(people.max() + 1)])
    blocks = (vectors[start : start + _AT_ONCE] for start in range(0, len(vectors), _AT_ONCE))
    return np.concatenate([_measure_distances(block, means).argmin(1) for block in blocks])


def _group(distances: NDArray[np.float64]) -> NDArray[np.intp]:
    """Group by average linkage up to the threshold."""
    if len(distances) < 2:
        return np.zeros(len(distances), np.intp)
    pairs = distances[np.triu_indices(len(distances), 1)]
    return group_by_average(pairs, threshold=_SAME_PERSON)


def _measure_distances(
    vectors: NDArray[np.float32], others: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Compute Euclidean distances. Shape: [N, D], [M, D] -> [N, M]."""
    squares = (vectors**2).sum(1)[:, None] + (others**2).sum(1) - 2 * vectors @ others.T
    distances: NDArray[np.float64] = np.sqrt(np.maximum(squares, 0)).astype(np.float64)
    return distances
