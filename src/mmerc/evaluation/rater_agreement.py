"""Inter-rater agreement, with bootstrap intervals over conversations."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import InputError
from mmerc.evaluation.agreement import (
    add_by_group,
    cohen_kappa,
    coincidences,
    confusion_of_pairs,
    count_ratings,
    fleiss_kappa,
    krippendorff_alpha,
    observed_agreement,
    one_against_rest,
    specific_agreement,
)
from mmerc.evaluation.significance import percentile_interval, resample_conversations

_Counts = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ratings:
    """Labels of several raters, one column per utterance.

    ``weights``: number of utterances that each one represents, for samples with unequal
    probabilities; None: equal weights.

    Shape: values [R, N] int64, indices of ``labels``, -100 if a rater chose none; weights [N].
    """

    labels: tuple[str, ...]
    raters: tuple[str, ...]
    conversations: tuple[str, ...]
    speakers: tuple[str, ...]
    values: NDArray[np.int64]
    weights: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A coefficient and its 95 % interval; None if it is undefined."""

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAgreement:
    """Agreement on one label, or on the utterances of one speaker.

    ``ratings`` counts labels of utterances with two or more raters. ``percent``: for a label, how
    often a second rater chose it too.
    """

    name: str
    ratings: int
    percent: Estimate
    alpha: Estimate


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """Agreement of two raters; ``confusion`` counts utterances, with ``first`` in rows.

    ``linear`` and ``quadratic`` are weighted kappas, None if the labels have no order.
    """

    first: str
    second: str
    utterances: int
    percent: Estimate
    kappa: Estimate
    linear: Estimate | None
    quadratic: Estimate | None
    confusion: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RaterAgreement:
    """Agreement of all raters, of each pair, by label and by speaker.

    ``utterances``: number labelled by two or more raters; ``complete``: number labelled by all,
    used for Fleiss' kappa. ``resampled``: the unit of the bootstrap.
    """

    labels: tuple[str, ...]
    raters: tuple[str, ...]
    utterances: int
    complete: int
    conversations: int
    resampled: str
    percent: Estimate
    alpha: Estimate
    fleiss: Estimate
    pairs: tuple[PairAgreement, ...]
    classes: tuple[GroupAgreement, ...]
    speakers: tuple[GroupAgreement, ...]


def measure_agreement(
    ratings: Ratings, *, ordered: bool = False, resamples: int = 2000, seed: int = 0
) -> RaterAgreement:
    """Measure agreement; ``ordered``: the labels are a scale, for weighted kappa.

    The bootstrap resamples conversations, or utterances if there is only one conversation. Weights
    apply to all coefficients, but not to numbers of utterances and confusion matrices.
    InputError if no two raters labelled the same utterance.
    """
    count = len(ratings.labels)
    votes = count_ratings(ratings.values, count)
    pairable = votes.sum(axis=1) > 1
    if not pairable.any():
        names = " and ".join(ratings.raters) if len(ratings.raters) == 2 else "the raters"
        fix = "check that they labelled the same recording, and that ids or times match"
        raise InputError("agreement", f"{names} labelled no utterance in common", fix)
    groups, drawn, unit = _group_units(ratings, pairable)
    weights = _normalise_weights(ratings, pairable)
    together = coincidences(votes) * weights
    complete = np.asarray((ratings.values >= 0).all(axis=0))
    pairs = list(itertools.combinations(range(len(ratings.raters)), 2))
    stacked = [together, together * complete.reshape(-1, 1, 1)]
    counts = [confusion_of_pairs(ratings.values[i], ratings.values[j], count) for i, j in pairs]
    stacked += [one * weights for one in counts]
    totals = np.stack([add_by_group(one, groups, drawn) for one in stacked], axis=1)
    samples = _draw(totals, resamples=resamples, seed=seed)
    sums = totals.sum(axis=0)
    return RaterAgreement(
        labels=ratings.labels,
        raters=ratings.raters,
        utterances=int(pairable.sum()),
        complete=int(complete.sum()),
        conversations=len(
            {c for c, used in zip(ratings.conversations, pairable, strict=True) if used}
        ),
        resampled=unit,
        percent=_estimate(observed_agreement(sums[0]), observed_agreement(samples[:, 0])),
        alpha=_estimate(krippendorff_alpha(sums[0]), krippendorff_alpha(samples[:, 0])),
        fleiss=_estimate(fleiss_kappa(sums[1]), fleiss_kappa(samples[:, 1])),
        pairs=tuple(
            _pair(
                ratings,
                pair,
                sums[2 + place],
                samples[:, 2 + place],
                confusion=counts[place].sum(axis=0),
                ordered=ordered,
            )
            for place, pair in enumerate(pairs)
        ),
        classes=_by_class(ratings.labels, sums[0], samples[:, 0], votes[pairable].sum(axis=0)),
        speakers=_by_speaker(ratings, together, votes, groups, resamples=resamples, seed=seed),
    )


def _normalise_weights(ratings: Ratings, pairable: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Normalise weights to mean 1 over the counted utterances. Shape: -> [N, 1, 1]."""
    if ratings.weights is None:
        return np.ones((len(pairable), 1, 1))
    weights = np.where(pairable, ratings.weights, 0.0)
    return np.asarray(weights / weights[pairable].mean()).reshape(-1, 1, 1)


def _group_units(
    ratings: Ratings, pairable: NDArray[np.bool_]
) -> tuple[NDArray[np.intp], int, str]:
    """Return each utterance's resampling unit, the number of units, and their name."""
    names, groups = np.unique(np.array(ratings.conversations), return_inverse=True)
    if len(np.unique(groups[pairable])) > 1:
        return groups, len(names), "conversations"
    return np.arange(len(groups)), len(groups), "utterances"


def _draw(totals: _Counts, *, resamples: int, seed: int) -> _Counts:
    """Sum resampled groups; groups without counts are not drawn. Shape: -> [B, ...]."""
    used = totals.reshape(len(totals), -1).any(axis=1)
    chunks = resample_conversations(totals[used], resamples=resamples, seed=seed)
    return np.concatenate(list(chunks))


def _estimate(value: _Counts, samples: _Counts) -> Estimate:
    """Return a coefficient with its interval, ignoring undefined resamples."""
    defined = samples[np.isfinite(samples)]
    if not np.isfinite(value) or not len(defined):
        return Estimate(value=None, low=None, high=None)
    low, high = percentile_interval(defined, level=0.95)
    return Estimate(value=float(value), low=low, high=high)


def _pair(
    ratings: Ratings,
    pair: tuple[int, int],
    counts: _Counts,
    samples: _Counts,
    *,
    confusion: _Counts,
    ordered: bool,
) -> PairAgreement:
    """Measure two raters. Shape: counts and confusion [K, K], samples [B, K, K]."""
    first, second = (ratings.raters[rater] for rater in pair)
    linear = _estimate(cohen_kappa(counts, "linear"), cohen_kappa(samples, "linear"))
    quadratic = _estimate(cohen_kappa(counts, "quadratic"), cohen_kappa(samples, "quadratic"))
    return PairAgreement(
        first=first,
        second=second,
        utterances=int(confusion.sum()),
        percent=_estimate(observed_agreement(counts), observed_agreement(samples)),
        kappa=_estimate(cohen_kappa(counts), cohen_kappa(samples)),
        linear=linear if ordered else None,
        quadratic=quadratic if ordered else None,
        confusion=tuple(tuple(int(cell) for cell in row) for row in confusion),
    )


def _by_class(
    labels: Sequence[str], counts: _Counts, samples: _Counts, votes: _Counts
) -> tuple[GroupAgreement, ...]:
    """Measure each label. Shape: counts [K, K], samples [B, K, K], votes [K]."""
    percents, sampled = specific_agreement(counts), specific_agreement(samples)
    alphas = krippendorff_alpha(one_against_rest(counts))
    sampled_alphas = krippendorff_alpha(one_against_rest(samples))
    return tuple(
        GroupAgreement(
            name=name,
            ratings=int(votes[k]),
            percent=_estimate(percents[k], sampled[:, k]),
            alpha=_estimate(alphas[k], sampled_alphas[:, k]),
        )
        for k, name in enumerate(labels)
    )


def _by_speaker(
    ratings: Ratings,
    together: _Counts,
    votes: _Counts,
    groups: NDArray[np.intp],
    *,
    resamples: int,
    seed: int,
) -> tuple[GroupAgreement, ...]:
    """Measure each speaker's utterances, in order of first appearance. Shape: [N, K, K]."""
    speakers = np.array(ratings.speakers)
    measured = []
    for name in dict.fromkeys(ratings.speakers):
        selected = (speakers == name) & together.any(axis=(1, 2))
        if name and selected.any():
            _, places = np.unique(groups[selected], return_inverse=True)
            totals = add_by_group(together[selected], places, int(places.max()) + 1)
            samples, counts = _draw(totals, resamples=resamples, seed=seed), totals.sum(axis=0)
            measured.append(
                GroupAgreement(
                    name=name,
                    ratings=int(votes[selected].sum()),
                    percent=_estimate(observed_agreement(counts), observed_agreement(samples)),
                    alpha=_estimate(krippendorff_alpha(counts), krippendorff_alpha(samples)),
                )
            )
    return tuple(measured)
