"""Clustering by average linkage, equal to scikit-learn's but without its slow import."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappush, heappushpop

import numpy as np
from numpy.typing import NDArray


def group_by_average(
    distances: NDArray[np.floating], *, threshold: float | None = None, groups: int = 1
) -> NDArray[np.intp]:
    """Return the group number of every item; the closest groups are merged first.

    Merges while groups are closer than ``threshold``, or down to ``groups`` groups; numbers equal
    those of scikit-learn's AgglomerativeClustering.

    Shape: distances of all pairs [N * (N - 1) / 2], in the order of ``np.triu_indices``, N > 1
    -> [N].
    """
    from scipy.cluster.hierarchy import linkage  # slow to import

    tree = linkage(distances, method="average")
    items = len(tree) + 1
    if threshold is not None:
        groups = int((tree[:, 2] >= threshold).sum()) + 1
    merged = tree[:, :2].astype(int).tolist()
    roots = [-(2 * items - 2)]
    for _ in range(groups - 1):
        first, second = merged[-roots[0] - items]
        heappush(roots, -first)
        heappushpop(roots, -second)
    labels = np.zeros(items, np.intp)
    for number, root in enumerate(roots):
        labels[list(_items_below(-root, merged, items))] = number
    return labels


def _items_below(node: int, merged: list[list[int]], items: int) -> Iterator[int]:
    """Yield the items of a merged node."""
    waiting = [node]
    while waiting:
        node = waiting.pop()
        if node < items:
            yield node
        else:
            waiting += merged[node - items]
