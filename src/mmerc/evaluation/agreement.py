"""Inter-rater agreement coefficients, computed from counts that are additive over conversations."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Weighting = Literal["linear", "quadratic"]
_Counts = NDArray[np.float64]


def count_ratings(ratings: NDArray[np.int64], count: int) -> _Counts:
    """Count for each unit how many raters chose each of ``count`` labels.

    Shape: ratings [R, N] (negative: missing) -> [N, K].
    """
    units = np.broadcast_to(np.arange(ratings.shape[1]), ratings.shape)
    rated = ratings >= 0
    cells = units[rated] * count + ratings[rated]
    counts = np.bincount(cells, minlength=ratings.shape[1] * count)
    return counts.reshape(ratings.shape[1], count).astype(np.float64)


def coincidences(counts: _Counts) -> _Counts:
    """Coincidence matrix of each unit (Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability", step B).

    A unit with m labels adds 1 / (m - 1) per ordered pair; with fewer than two, it adds nothing.
    Shape: counts [N, K] -> [N, K, K], symmetric.
    """
    raters = counts.sum(axis=1)
    weights = np.divide(1.0, raters - 1, out=np.zeros_like(raters), where=raters > 1)
    pairs = counts[:, :, None] * counts[:, None, :]
    pairs -= counts[:, :, None] * np.eye(counts.shape[1])
    return np.asarray(pairs * weights[:, None, None])


def confusion_of_pairs(first: NDArray[np.int64], second: NDArray[np.int64], count: int) -> _Counts:
    """Return one confusion matrix per unit; zeros unless both raters labelled it.

    Shape: first and second [N] (negative: missing) -> [N, K, K], rows ``first``.
    """
    cells = np.zeros((len(first), count, count))
    both = np.flatnonzero((first >= 0) & (second >= 0))
    cells[both, first[both], second[both]] = 1.0
    return cells


def add_by_group(values: _Counts, groups: NDArray[np.intp], count: int) -> _Counts:
    """Sum the rows of each group.

    Shape: values [N, ...], groups [N] from 0 to ``count`` - 1 -> [count, ...].
    """
    totals = np.zeros((count, *values.shape[1:]))
    if len(values):
        order = np.argsort(groups, kind="stable")
        present, starts = np.unique(groups[order], return_index=True)
        totals[present] = np.add.reduceat(values[order], starts, axis=0)
    return totals


def observed_agreement(matrices: _Counts) -> _Counts:
    """Compute the share of the diagonal in percent; NaN for an empty matrix.

    Shape: [..., K, K] -> [...].
    """
    total = matrices.sum(axis=(-2, -1))
    return 100 * _divide(np.trace(matrices, axis1=-2, axis2=-1), total)


def krippendorff_alpha(matrices: _Counts) -> _Counts:
    """Compute Krippendorff's alpha for nominal data from coincidences (2011, section B, step D).

    NaN if only one label occurs. Shape: [..., K, K] -> [...].
    """
    sizes = matrices.sum(axis=-1)
    total = sizes.sum(axis=-1)
    disagreement = total - np.trace(matrices, axis1=-2, axis2=-1)
    expected = total**2 - (sizes**2).sum(axis=-1)
    return np.asarray(1 - (total - 1) * _divide(disagreement, expected))


def fleiss_kappa(matrices: _Counts) -> _Counts:
    """Compute Fleiss' kappa (1971, Eq. 9) from coincidences of units labelled by all raters.

    NaN if only one label occurs. Shape: [..., K, K] -> [...].
    """
    total = matrices.sum(axis=(-2, -1))
    shares = _divide(matrices.sum(axis=-1), total[..., None])
    expected = (shares**2).sum(axis=-1)
    observed = _divide(np.trace(matrices, axis1=-2, axis2=-1), total)
    return _divide(observed - expected, 1 - expected)


def cohen_kappa(confusions: _Counts, weighting: Weighting | None = None) -> _Counts:
    """Compute Cohen's kappa (1960), or weighted kappa (1968) over the labels' order.

    Disagreements are weighted by the distance of the labels or its square. NaN if both raters used
    only the same label. Shape: [..., K, K] -> [...].
    """
    weights = _disagreement_weights(confusions.shape[-1], weighting)
    total = confusions.sum(axis=(-2, -1))
    rows, columns = confusions.sum(axis=-1), confusions.sum(axis=-2)
    expected = np.einsum("...i,...j,ij->...", rows, columns, weights)
    observed = (confusions * weights).sum(axis=(-2, -1))
    return np.asarray(1 - total * _divide(observed, expected))


def one_against_rest(matrices: _Counts) -> _Counts:
    """Collapse to one-vs-rest matrices. Shape: [..., K, K] -> [..., K, 2, 2]."""
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    rows, columns = matrices.sum(axis=-1) - hits, matrices.sum(axis=-2) - hits
    rest = matrices.sum(axis=(-2, -1))[..., None] - hits - rows - columns
    return np.stack([np.stack([hits, rows], -1), np.stack([columns, rest], -1)], -2)


def specific_agreement(matrices: _Counts) -> _Counts:
    """Compute how often, in percent, a second rater agrees on a label (Fleiss 1971, Eq. 10).

    Shape: coincidences [..., K, K] -> [..., K].
    """
    hits = np.diagonal(matrices, axis1=-2, axis2=-1)
    return 100 * _divide(hits, matrices.sum(axis=-1))


def _disagreement_weights(count: int, weighting: Weighting | None) -> _Counts:
    """Return the weight of each pair of labels, 0 on the diagonal. Shape: -> [K, K]."""
    distances = np.abs(np.subtract.outer(np.arange(count), np.arange(count))).astype(np.float64)
    if weighting is None:
        return np.minimum(distances, 1.0)
    return distances if weighting == "linear" else distances**2


def _divide(numerator: _Counts, denominator: _Counts) -> _Counts:
    """Divide, with NaN if the denominator is (nearly) 0."""
    numerator, denominator = np.broadcast_arrays(np.asarray(numerator), np.asarray(denominator))
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=np.abs(denominator) > 1e-12)
    return result
