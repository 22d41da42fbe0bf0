"""Shares of labels in a study, corrected for misclassification with a labelled sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import InputError

_Numbers = NDArray[np.float64]
PRIOR_STRENGTH = 1.0  # pseudo-labels of the prior of each predicted label
CELL_PRIOR = 0.1  # additional pseudo-labels in every cell, as the prior may be wrong
POOLING_STRENGTH = 5.0  # pseudo-labels of the rest of the study, as prior of a group
_LEVEL = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedShare:
    """Share of a label (0 to 1): ``naive`` among the predictions, ``share`` corrected."""

    label: str
    naive: float
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupShares:
    """Shares in a group of utterances; ``labelled`` is the number with a label."""

    group: str
    utterances: int
    labelled: int
    shares: tuple[CorrectedShare, ...]


def correct_shares(
    predicted: NDArray[np.int64],
    gold: NDArray[np.int64],
    *,
    labels: Sequence[str],
    probabilities: _Numbers | None = None,
    groups: Sequence[str] | None = None,
    draws: int = 4000,
    seed: int = 0,
) -> list[GroupShares]:
    """Estimate the shares of the labels in the whole study, or in each group of it.

    Bayesian double sampling (Tenenbein 1970): the share of label j among utterances predicted as k
    is estimated from the sample, with a Dirichlet prior for empty cells. Labels of the other
    utterances are drawn from the posterior; labels of the sample are counted. Valid for a random
    sample, and for one stratified by predicted label. ``share`` is the posterior mean; ``low`` and
    ``high`` bound the middle 95 % of ``draws``.

    The prior of each predicted label has ``PRIOR_STRENGTH`` pseudo-labels, distributed like the
    mean ``probabilities`` of these utterances; without probabilities, by the sample's accuracy for
    the predicted label, with the rest spread evenly. Every cell gets another ``CELL_PRIOR``. Both
    were chosen on simulated studies. A group's prior is a draw for the rest of the study, with
    ``POOLING_STRENGTH`` pseudo-labels [decided].

    Shape: predicted and gold [N] (gold negative: not labelled), probabilities [N, K], groups [N].
    InputError without a labelled utterance.
    """
    if not (gold >= 0).any():
        fix = "label some of the utterances that were predicted"
        raise InputError("labels", "no utterance of the predictions has a label", fix)
    count = len(labels)
    numbers = np.random.default_rng(seed)
    prior = PRIOR_STRENGTH * _prior_centre(predicted, gold, count, probabilities) + CELL_PRIOR
    counts = count_labels(predicted, gold, count)
    if groups is None:
        totals = np.bincount(predicted, minlength=count)
        samples = draw_shares(_draw_rows(counts + prior, draws, numbers), counts, totals, numbers)
        return [_summarise("all", predicted, counts, samples, labels)]
    names = np.array(groups)
    return [
        _group_shares(
            name, predicted[names == name], gold[names == name],
            counts=counts, prior=prior, labels=labels, draws=draws, numbers=numbers,
        )
        for name in dict.fromkeys(groups)
    ]  # fmt: skip


def _group_shares(
    name: str,
    predicted: NDArray[np.int64],
    gold: NDArray[np.int64],
    *,
    counts: _Numbers,
    prior: _Numbers,
    labels: Sequence[str],
    draws: int,
    numbers: np.random.Generator,
) -> GroupShares:
    """Estimate the shares in one group; ``counts`` are from the whole study."""
    labelled_counts = count_labels(predicted, gold, len(labels))
    rest = _draw_rows(counts - labelled_counts + prior, draws, numbers)
    rows = _draw_rows(labelled_counts + POOLING_STRENGTH * rest, draws, numbers)
    totals = np.bincount(predicted, minlength=len(labels))
    return _summarise(
        name,
        predicted,
        labelled_counts,
        draw_shares(rows, labelled_counts, totals, numbers),
        labels,
    )


def count_labels(predicted: NDArray[np.int64], gold: NDArray[np.int64], count: int) -> _Numbers:
    """Count labelled utterances by predicted label (rows) and label. Shape: [N], [N] -> [K, K]."""
    known = gold >= 0
    cells = predicted[known] * count + gold[known]
    counts = np.bincount(cells, minlength=count**2).astype(np.float64)
    return counts.reshape(count, count)


def _prior_centre(
    predicted: NDArray[np.int64],
    gold: NDArray[np.int64],
    count: int,
    probabilities: _Numbers | None,
) -> _Numbers:
    """Return the prior distribution of labels for each predicted label. Shape: -> [K, K]."""
    known = gold >= 0
    right = (np.sum(predicted[known] == gold[known]) + 1) / (np.sum(known) + 2)
    centre = right * np.eye(count) + (1 - right) / count
    if probabilities is not None:
        for label in np.unique(predicted):
            centre[label] = probabilities[predicted == label].mean(axis=0)
    return np.asarray(centre / centre.sum(axis=1, keepdims=True))


def _draw_rows(weights: _Numbers, draws: int, numbers: np.random.Generator) -> _Numbers:
    """Draw rows from Dirichlet distributions. Shape: weights [(D,) K, K] -> [D, K, K]."""
    shape = (draws, *weights.shape[-2:])
    gammas = numbers.standard_gamma(np.broadcast_to(weights, shape)) + 1e-300
    return np.asarray(gammas / gammas.sum(axis=-1, keepdims=True))


def draw_shares(
    rows: _Numbers, counts: _Numbers, totals: NDArray[np.int64], numbers: np.random.Generator
) -> _Numbers:
    """Draw shares, with the labels of unlabelled utterances distributed as ``rows``.

    Shape: rows [D, K, K], counts [K, K], totals [K] of the predictions -> [D, K].
    """
    rest = (totals - counts.sum(axis=1)).astype(np.int64)
    drawn = numbers.multinomial(np.broadcast_to(rest, rows.shape[:2]), rows).sum(axis=1)
    return np.asarray((drawn + counts.sum(axis=0)) / max(1, int(totals.sum())))


def _summarise(
    name: str,
    predicted: NDArray[np.int64],
    counts: _Numbers,
    samples: _Numbers,
    labels: Sequence[str],
) -> GroupShares:
    """Compute mean and interval of each label."""
    naive = np.bincount(predicted, minlength=len(labels)) / len(predicted)
    low, high = np.quantile(samples, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=0)
    shares = tuple(
        CorrectedShare(
            label=label, naive=float(naive[k]), share=float(samples[:, k].mean()),
            low=float(low[k]), high=float(high[k]),
        )
        for k, label in enumerate(labels)
    )  # fmt: skip
    labelled = int(counts.sum())
    return GroupShares(group=name, utterances=len(predicted), labelled=labelled, shares=shares)
