"""Measures of persistence and transmission of emotions, tested against null models.

Inertia: how often a speaker's next utterance has the same emotion (emotional inertia, Kuppens,
Allen and Sheeber 2010). Contagion: how often the next utterance, by another speaker, has the same
emotion (emotional contagion, Hatfield, Cacioppo and Rapson 1993). Transition: how often an emotion
follows another, regardless of speakers. Share and entropy describe the frequencies of emotions.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mmerc.errors import UsageError
from mmerc.studies.measure_row import ROUNDING, Measure
from mmerc.studies.resampling import bootstrap_sums, interval, intervals, recording_weights
from mmerc.studies.sequences import Floats, Sequences
from mmerc.studies.shuffles import Null, count_pairs, expected_counts, shuffled_counts

_MIN_UTTERANCES = 10  # [decided] rarer emotions are described, but not tested


class _Cells(NamedTuple):
    """Counts for one kind of measure: per recording, expected by chance, or per shuffle.

    Shape: ``hits`` and ``totals`` [..., M] for M measures of that kind.
    """

    hits: Floats
    totals: Floats


def measure_sequences(sequences: Sequences, *, shuffles: int, seed: int) -> list[Measure]:
    """Compute all measures of a study, without correction for multiple tests."""
    if shuffles < 1:
        raise UsageError(f"--shuffles {shuffles}: at least one shuffle is needed.")
    if not len(sequences.emotion):
        return []
    weights = recording_weights(sequences.recordings, seed=seed)
    same, other, consecutive = (
        sequences.same_speaker,
        sequences.other_speaker,
        sequences.consecutive,
    )
    permuted = shuffled_counts(
        sequences, (same, consecutive), null="permuted", shuffles=shuffles, seed=seed
    )
    shifted = shuffled_counts(sequences, (other,), null="shifted", shuffles=shuffles, seed=seed)
    kinds: tuple[tuple[str, Null, Floats], ...] = (
        ("inertia", "permuted", permuted[0]),
        ("contagion", "shifted", shifted[0]),
        ("transition", "permuted", permuted[1]),
    )
    rows = _describe(sequences, weights)
    for (name, null, counts), pairs in zip(kinds, (same, other, consecutive), strict=True):
        cells = _transition_cells if name == "transition" else _same_cells
        tested = _test(
            cells(count_pairs(sequences, pairs)),
            cells(expected_counts(sequences, pairs)),
            cells(counts),
            weights,
        )
        rows += _name_rows(sequences, name, null, tested)
    return rows


def _describe(sequences: Sequences, weights: Floats | None) -> list[Measure]:
    """Compute the share of every emotion and the entropy of the shares, without tests."""
    counts = np.zeros((sequences.recordings, len(sequences.labels)))
    np.add.at(counts, sequences.recording_of_voice, sequences.voice_counts)
    total = counts.sum(axis=0)
    drawn = bootstrap_sums(counts, weights)
    size = int(total.sum())
    rows = []
    for position, name in enumerate(sequences.labels):
        shares = None if drawn is None else drawn[:, position] / drawn.sum(axis=1)
        low, high = interval(shares)
        value = float(total[position] / size)
        rows.append(
            Measure(
                measure="share", emotion=name, count=size,
                value=value, value_low=low, value_high=high,
            )
        )  # fmt: skip
    low, high = interval(None if drawn is None else entropy(drawn))
    bits = float(entropy(total))
    rows.append(Measure(measure="entropy", count=size, value=bits, value_low=low, value_high=high))
    return rows


def entropy(counts: Floats) -> Floats:
    """Compute the Shannon entropy of counts in bits. Shape: [..., K] -> [...]."""
    shares = counts / counts.sum(axis=-1, keepdims=True)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=-1))


def _same_cells(counts: Floats) -> _Cells:
    """Count pairs with the same emotion, overall and by emotion.

    Shape: [..., K, K] -> [..., 1 + K].
    """
    same = np.diagonal(counts, axis1=-2, axis2=-1)
    first = counts.sum(axis=-1)
    hits = np.concatenate([same.sum(axis=-1, keepdims=True), same], axis=-1)
    totals = np.concatenate([first.sum(axis=-1, keepdims=True), first], axis=-1)
    return _Cells(hits, totals)


def _transition_cells(counts: Floats) -> _Cells:
    """Count pairs by both emotions. Shape: [..., K, K] -> [..., K * K]."""
    width = counts.shape[-1]
    flat = (*counts.shape[:-2], width * width)
    totals = np.repeat(counts.sum(axis=-1), width, axis=-1)
    return _Cells(counts.reshape(flat), totals)


def _test(
    observed: _Cells, expected: _Cells, shuffled: _Cells, weights: Floats | None
) -> list[dict[str, float | None]]:
    """Compute values, effects, intervals and p values of all measures of a kind.

    ``observed`` and ``expected`` are per recording, [R, M]; ``shuffled`` per shuffle, [S, M]. A
    shuffle without any pairs counts as equal to the mean.
    """
    value, chance = _ratio(observed), _ratio(expected)
    by_chance = shuffled.hits / np.where(shuffled.totals > 0, shuffled.totals, np.nan)
    by_chance = np.where(np.isnan(by_chance), chance, by_chance)
    far = np.abs(by_chance - chance) >= np.abs(value - chance) - ROUNDING
    # The observed data count as one of the shuffles, so p is never 0 (Phipson and Smyth 2010).
    p_values = (1 + far.sum(axis=0)) / (1 + len(by_chance))
    spread = by_chance.std(axis=0)
    lows, highs = np.quantile(by_chance, [0.025, 0.975], axis=0)
    values, effects = _draw(observed, expected, weights)
    value_bounds = intervals(values, len(value))
    effect_bounds = intervals(effects, len(value))
    rows: list[dict[str, float | None]] = []
    for number in range(len(value)):
        if np.isnan(value[number]):
            rows.append({"count": 0, "value": None})
            continue
        value_low, value_high = value_bounds[number]
        effect_low, effect_high = effect_bounds[number]
        effect = float(value[number] - chance[number])
        rows.append(
            {
                "count": float(observed.totals[:, number].sum()),
                "value": float(value[number]), "value_low": value_low, "value_high": value_high,
                "expected": float(chance[number]),
                "expected_low": float(lows[number]), "expected_high": float(highs[number]),
                "effect": effect, "effect_low": effect_low, "effect_high": effect_high,
                "z": effect / float(spread[number]) if spread[number] > ROUNDING else None,
                "p_value": float(p_values[number]),
            }
        )  # fmt: skip
    return rows


def _ratio(cells: _Cells) -> Floats:
    """Divide hits by totals over all recordings; NaN without any. Shape: [R, M] -> [M]."""
    totals = cells.totals.sum(axis=0)
    return np.asarray(cells.hits.sum(axis=0) / np.where(totals > 0, totals, np.nan))


def _draw(
    observed: _Cells, expected: _Cells, weights: Floats | None
) -> tuple[Floats | None, Floats | None]:
    """Bootstrap values and effects of all measures; None with a single recording.

    Shape: [B, M] each.
    """
    if weights is None:
        return None, None
    totals, expected_totals = weights @ observed.totals, weights @ expected.totals
    values = (weights @ observed.hits) / np.where(totals > 0, totals, np.nan)
    chance = weights @ expected.hits / np.where(expected_totals > 0, expected_totals, np.nan)
    return values, values - chance


def _name_rows(
    sequences: Sequences, measure: str, null: Null, tested: Sequence[dict[str, float | None]]
) -> list[Measure]:
    """Name the measures of a kind; remove the p values of rare emotions."""
    counts = sequences.voice_counts.sum(axis=0)
    common = {n: bool(c >= _MIN_UTTERANCES) for n, c in zip(sequences.labels, counts, strict=True)}
    if measure == "transition":
        names = [(first, second) for first in sequences.labels for second in sequences.labels]
    else:
        names = [("", ""), *((name, "") for name in sequences.labels)]
    rows = []
    for (first, second), values in zip(names, tested, strict=True):
        numbers = dict(values)
        if not all(common[name] for name in (first, second) if name):
            numbers["p_value"] = None
        count = int(numbers.pop("count") or 0)
        rows.append(
            Measure(
                measure=measure, emotion=first, next_emotion=second, null=null,
                count=count, **numbers,  # type: ignore[arg-type]
            )
        )  # fmt: skip
    return rows
