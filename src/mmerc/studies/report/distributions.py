"""Shares of emotions by condition, participant and over time, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.studies.report.study_data import StudyData
from mmerc.studies.resampling import (
    bootstrap_sums,
    interval,
    recording_weights,
    wilson_interval,
)
from mmerc.studies.sequences import Floats

MAX_GROUPS = 12
_POINTS = 61
_BANDWIDTH = 0.05  # [decided] sigma of the kernel, relative to the recording


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its 95 % interval; None if there is no interval."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """Shares of the emotions among a group's utterances, in label order."""

    name: str
    recordings: int
    utterances: int
    shares: tuple[Share, ...]


def distribution_over_recordings(
    data: StudyData, name: str, chosen: NDArray[np.bool_]
) -> Distribution:
    """Compute shares among chosen utterances, with bootstrap intervals over recordings."""
    sequences = data.sequences
    counts = np.zeros((sequences.recordings, len(sequences.labels)))
    np.add.at(counts, (sequences.recording[chosen], sequences.emotion[chosen]), 1.0)
    counts = counts[counts.sum(axis=1) > 0]
    drawn = bootstrap_sums(counts, recording_weights(len(counts), seed=0))
    total = counts.sum(axis=0)
    shares = []
    for position, count in enumerate(total):
        low, high = interval(None if drawn is None else drawn[:, position] / drawn.sum(axis=1))
        shares.append(Share(float(count / total.sum()), low, high))
    return Distribution(
        name=name, recordings=len(counts), utterances=int(total.sum()), shares=tuple(shares)
    )


def distributions_by(data: StudyData, factor: str) -> list[Distribution]:
    """Compute shares by the values of a study column; none unless two to twelve values."""
    values = data.factors.get(factor)
    if values is None:
        return []
    names = [str(name) for name in np.unique(values) if name]
    if not 2 <= len(names) <= MAX_GROUPS:
        return []
    return [distribution_over_recordings(data, name, values == name) for name in names]


def distributions_of_people(data: StudyData) -> tuple[str, list[Distribution]]:
    """Compute shares of every participant or, if none is named, every speaker of a recording.

    Sorted by number of utterances, with Wilson's intervals (1927), which assume independence.
    """
    people = data.factors.get("participant")
    kind = "participant"
    if people is None or not people.any():
        kind = "speaker"
        recordings = np.array(data.recording_names)[data.sequences.recording]
        speakers = data.factors["speaker"]
        people = np.array([f"{s} ({r})" for s, r in zip(speakers, recordings, strict=True)])
    names, group = np.unique(people, return_inverse=True)
    counts = data.count_by(group, len(names))
    pairs = np.unique(np.stack([group, data.sequences.recording]), axis=1)
    recordings_of = np.bincount(pairs[0], minlength=len(names))
    totals = counts.sum(axis=1)
    return kind, [
        Distribution(
            name=str(names[row]),
            recordings=int(recordings_of[row]),
            utterances=int(totals[row]),
            shares=tuple(wilson(int(count), int(totals[row])) for count in counts[row]),
        )
        for row in np.argsort(-totals, kind="stable")
        if names[row]
    ]


def wilson(count: int, total: int) -> Share:
    """Return a share with Wilson's interval (1927)."""
    return Share(count / total, *wilson_interval(count / total, total))


def shares_over_time(data: StudyData, chosen: NDArray[np.bool_]) -> Floats:
    """Compute shares of the emotions at equal steps through the recordings.

    Utterances are weighted by distance in time (Gaussian kernel). Shape: [61, K].
    """
    steps = np.linspace(0.0, 1.0, _POINTS)
    width = len(data.sequences.labels)
    # Utterances are first counted in fine bins, so that the cost does not grow with the study.
    bins = 240
    place = np.minimum((data.time[chosen] * bins).astype(np.intp), bins - 1)
    counts = np.zeros((bins, width))
    np.add.at(counts, (place, data.sequences.emotion[chosen]), 1.0)
    centres = (np.arange(bins) + 0.5) / bins
    kernel = np.exp(-0.5 * ((steps[:, None] - centres) / _BANDWIDTH) ** 2)
    smooth = kernel @ counts + 1e-12 * counts.sum(axis=0)
    return np.asarray(smooth / smooth.sum(axis=1, keepdims=True))


def rivers(data: StudyData, factor: str, names: Sequence[str]) -> list[tuple[str, Floats]]:
    """Compute shares over time: the whole study (named ""), then each value of a column."""
    return [
        ("", shares_over_time(data, np.ones(len(data.time), bool))),
        *((name, shares_over_time(data, data.factors[factor] == name)) for name in names),
    ]
