"""Average linkage gives the same groups and numbers as scikit-learn."""

import numpy as np
import pytest
from sklearn.cluster import AgglomerativeClustering

from mmerc.media.average_linkage import group_by_average


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("count", [2, 3, 17, 120])
def test_groups_and_their_numbers_equal_scikit_learn(seed, count):
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(count, 3)) + 4 * rng.integers(0, 3, (count, 1))
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    pairs = distances[np.triu_indices(count, 1)]
    options = {"metric": "precomputed", "linkage": "average"}
    for threshold in (0.5, 2.0, 6.0, 50.0):
        expected = AgglomerativeClustering(None, distance_threshold=threshold, **options)
        actual = group_by_average(pairs, threshold=threshold)
        assert actual.tolist() == expected.fit_predict(distances).tolist()
    for groups in range(1, min(count, 6) + 1):
        expected = AgglomerativeClustering(groups, **options).fit_predict(distances)
        assert group_by_average(pairs, groups=groups).tolist() == expected.tolist()
