"""Draw utterances for labelling, and estimate the precision of the labels."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Strategy = Literal["random", "stratified", "uncertain"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
UNCERTAIN: Strategy = "uncertain"
STRATIFIED: Strategy = "stratified"
CHOSEN = "chosen"
"""The strategy if people chose the utterances themselves."""
_FLOOR = 5  # minimum labels per predicted emotion, if available
_Z = NormalDist().inv_cdf(0.975)  # for a 95 % interval
_Positions = NDArray[np.int64]


def draw_sample(
    strategy: Strategy,
    count: int,
    *,
    predicted: _Positions,
    confidence: NDArray[np.float64] | None = None,
    groups: NDArray[np.int64] | None = None,
    seed: int = 0,
) -> _Positions:
    """Draw the positions of ``count`` utterances, in random order.

    ``random``: equal probabilities. ``stratified``: equal probabilities within each predicted
    label; sizes by ``allocate``. ``uncertain``: lowest ``confidence``, random ties. With
    ``groups``, the first two spread the sample over the groups in proportion to size, with
    unchanged probabilities (systematic sampling with a random start).

    Shape: predicted, confidence and groups [N] -> [count]; count is at most N.
    """
    numbers = np.random.default_rng(seed)
    everything = np.arange(len(predicted))
    if strategy == UNCERTAIN and confidence is not None:
        shuffled = numbers.permutation(everything)
        drawn = shuffled[np.argsort(confidence[shuffled], kind="stable")[:count]]
    elif strategy == STRATIFIED:
        sizes = allocate(np.bincount(predicted), count)
        parts = [
            _spread(everything[predicted == label], int(size), groups, numbers)
            for label, size in enumerate(sizes)
        ]
        drawn = np.concatenate(parts)
    else:
        drawn = _spread(everything, count, groups, numbers)
    return numbers.permutation(drawn)


def weigh_sample(predicted: _Positions, drawn: _Positions) -> NDArray[np.float64]:
    """Compute the weights of a stratified sample.

    They are inverse sampling probabilities: for each predicted label, all utterances over drawn
    ones. Shape: predicted [N], drawn [n] -> [n].
    """
    everything = np.bincount(predicted)
    sampled = np.bincount(predicted[drawn], minlength=len(everything))
    return np.asarray((everything / np.maximum(sampled, 1))[predicted[drawn]])


def allocate(counts: _Positions, total: int) -> _Positions:
    """Divide ``total`` labels among strata in proportion to their ``counts``, at least five each.

    The minimum is lower if a stratum is smaller, or ``total`` too small. Shape: [K] -> [K].
    """
    occupied = max(1, int((counts > 0).sum()))
    sizes = np.minimum(counts, min(_FLOOR, total // occupied))
    ideal = total * counts / max(1, counts.sum())
    while sizes.sum() < total:
        lacking = np.where(sizes < counts, ideal - sizes, -np.inf)
        sizes[int(lacking.argmax())] += 1
    return sizes


def _spread(
    positions: _Positions,
    count: int,
    groups: NDArray[np.int64] | None,
    numbers: np.random.Generator,
) -> _Positions:
    """Draw ``count`` positions with equal probabilities, evenly over the groups."""
    order = numbers.permutation(positions)
    if count >= len(order):
        return order
    if groups is not None:
        order = order[np.argsort(groups[order], kind="stable")]
    steps = (numbers.random() + np.arange(count)) * len(order) / max(count, 1)
    return order[np.minimum(steps.astype(np.int64), len(order) - 1)]


def expected_half_width(share: float, count: int, total: int) -> float:
    """Return the half-width of a share's 95 % interval, for ``count`` random labels of ``total``.

    Binomial, with finite population correction (Cochran 1977, equation 3.8).
    """
    if total <= 1:
        return 0.0
    variance = share * (1 - share) / count * (total - count) / (total - 1)
    return _Z * math.sqrt(variance)
