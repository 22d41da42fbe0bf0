"""Permutation tests for differences of measures between conditions.

The permuted units are recordings if each has one condition, else participants (or the speakers of
each conversation, if participants are not named). Recordings with a common participant are not
independent: those with the same condition are permuted together, those with several conditions only
among themselves (exchangeability blocks, Winkler et al. 2015).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import InputError, UsageError
from mmerc.studies.measure_row import ROUNDING, Measure
from mmerc.studies.null_tests import entropy
from mmerc.studies.resampling import RESAMPLES, interval
from mmerc.studies.sequences import (
    UTTERANCES_FILE,
    Floats,
    Ints,
    Sequences,
    read_columns,
    read_names,
)
from mmerc.studies.shuffles import pair_probabilities

_MAX_CONDITIONS = 12
_CHUNK = 4_000_000  # numbers in memory at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """The condition of every voice (-1: none), and the permuted units.

    Shape: ``condition``, ``unit`` and ``block`` [V]; ``names`` are the conditions. A ``unit`` has
    one condition; units of one ``block`` share a participant or a recording.
    """

    names: tuple[str, ...]
    condition: Ints
    unit: Ints
    block: Ints


def read_conditions(study: str | Path, sequences: Sequences, column: str) -> Conditions:
    """Read the conditions in a column of the study.

    UsageError if the column is missing or has fewer than two values; InputError if conditions vary
    within recordings and a participant has several of them.
    """
    reserved = {"recording", "speaker", "emotion", "text", "start", "end"}
    if column not in read_names(study) or column in reserved:
        raise UsageError(f"--by {column!r}: the study has no such column in study.yaml.")
    table = read_columns(study, (column, "participant"))
    values = table[column].to_pylist()
    people = table["participant"].to_pylist() if "participant" in table.column_names else []
    names = tuple(sorted({str(value) for value in values if value not in (None, "")}))
    if len(names) < 2:
        raise UsageError(f"--by {column!r}: the column has fewer than two values.")
    if len(names) > _MAX_CONDITIONS:
        problem = f"the column has {len(names)} values, more than the {_MAX_CONDITIONS} allowed"
        raise UsageError(f"--by {column!r}: {problem}.")
    utterance = np.array(
        [names.index(str(value)) if value not in (None, "") else -1 for value in values], np.intp
    )[sequences.row]
    person = _number_people([people[row] if people else None for row in sequences.row], sequences)
    where = f"{Path(study) / UTTERANCES_FILE}, column {column!r}"
    return _find_units(sequences, names, utterance, person, where=where)


def _number_people(people: Sequence[object], sequences: Sequences) -> Ints:
    """Number each voice's participant; a voice without one is a separate person. Shape: [V]."""
    named = {voice: name for voice, name in zip(sequences.voice, people, strict=True) if name}
    keys = [named.get(voice, voice) for voice in range(sequences.voices)]
    numbers: dict[object, int] = {}
    return np.array([numbers.setdefault((type(key), key), len(numbers)) for key in keys], np.intp)


def _find_units(
    sequences: Sequences, names: tuple[str, ...], utterance: Ints, person: Ints, *, where: str
) -> Conditions:
    """Choose the permuted units: recordings if each has one condition, else persons."""
    condition = np.full(sequences.voices, -1, np.intp)
    condition[sequences.voice] = utterance
    recording = sequences.recording_of_voice
    if (condition[sequences.voice] != utterance).any():
        raise InputError(
            where, "changes within the utterances of a speaker", "give it one value each"
        )
    if _has_one_value(recording, condition):
        unit, other = recording, person
    else:
        unit, other = person, recording
        if not _has_one_value(person, condition):
            problem = "differs within a recording and within a participant"
            raise InputError(where, problem, "give every recording or every participant one value")
    return Conditions(names=names, condition=condition, unit=unit, block=_connected(unit, other))


def _has_one_value(groups: Ints, values: Ints) -> bool:
    """Whether every group has one value."""
    first = np.full(int(groups.max()) + 1, -1, np.intp)
    first[groups] = values
    return bool((first[groups] == values).all())


def _connected(unit: Ints, other: Ints) -> Ints:
    """Number connected components of units and others. Shape: [V], [V] -> [V]."""
    from scipy.sparse import coo_array  # slow to import; not needed without conditions
    from scipy.sparse.csgraph import connected_components

    units = int(unit.max()) + 1
    size = units + int(other.max()) + 1
    edges = coo_array((np.ones(len(unit)), (unit, units + other)), shape=(size, size))
    _, component = connected_components(edges, directed=False)
    return np.asarray(component[unit], np.intp)


def compare_conditions(
    sequences: Sequences, conditions: Conditions, *, permutations: int, seed: int
) -> list[Measure]:
    """Compare shares, entropy, inertia and contagion between every two conditions.

    For inertia and contagion, the excess over chance is compared, since different shares of
    emotions also change the values by chance.
    """
    sums = _sum_by_voice(sequences)
    rows = []
    for first, second in itertools.combinations(range(len(conditions.names)), 2):
        rows += _compare(
            sequences.labels,
            (conditions.names[first], conditions.names[second]),
            _select(sequences, conditions, sums, (first, second)),
            permutations=permutations,
            seed=seed,
        )
    return rows


def _sum_by_voice(sequences: Sequences) -> Floats:
    """Sum per voice: utterances by emotion; hits beyond chance and pairs, for both measures.

    The measures are inertia and contagion; a pair belongs to the speaker of its second utterance.
    Shape: [V, K + 4].
    """
    columns = [sequences.voice_counts]
    for pairs in (sequences.same_speaker, sequences.other_speaker):
        first, second = sequences.voice[pairs.first], sequences.voice[pairs.second]
        hits = (sequences.emotion[pairs.first] == sequences.emotion[pairs.second]).astype(float)
        chance = np.trace(pair_probabilities(sequences, first, second), axis1=1, axis2=2)
        for values in (hits - chance, np.ones(len(hits))):
            sums = np.bincount(second, values, minlength=sequences.voices)
            columns.append(sums.astype(np.float64)[:, None])
    return np.concatenate(columns, axis=1)


def _statistics(sums: Floats) -> Floats:
    """Compute shares, entropy, inertia and contagion. Shape: [..., K + 4] -> [..., K + 3].

    NaN if undefined.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        counts = sums[..., :-4]
        shares = counts / counts.sum(axis=-1, keepdims=True)
        bits = entropy(counts)[..., None]
        return np.concatenate(
            [shares, bits, sums[..., -4:-3] / sums[..., -3:-2], sums[..., -2:-1] / sums[..., -1:]],
            axis=-1,
        )


@dataclass(frozen=True, slots=True)
class _Compared:
    """The voices of two conditions.

    Shape: sums [V, K + 4]; recording, unit, block, in_second (condition, not reference) [V].
    """

    sums: Floats
    recording: Ints
    unit: Ints
    block: Ints
    in_second: NDArray[np.bool_]


def _select(
    sequences: Sequences, conditions: Conditions, sums: Floats, pair: tuple[int, int]
) -> _Compared:
    """Select the voices of two conditions; renumber units and recordings."""
    chosen = np.isin(conditions.condition, pair)
    _, unit = np.unique(conditions.unit[chosen], return_inverse=True)
    _, recording = np.unique(sequences.recording_of_voice[chosen], return_inverse=True)
    in_second = conditions.condition[chosen] == pair[1]
    return _Compared(sums[chosen], recording, unit, conditions.block[chosen], in_second)


def _compare(
    labels: Sequence[str],
    names: tuple[str, str],
    compared: _Compared,
    *,
    permutations: int,
    seed: int,
) -> list[Measure]:
    """Compare two conditions, the second of ``names`` with the first."""
    sums, in_second = compared.sums, compared.in_second
    values = np.stack([_statistics(sums[in_second == side].sum(axis=0)) for side in (1, 0)])
    permuted = _permuted_differences(compared, permutations=permutations, seed=seed)
    drawn = _drawn_differences(compared, seed=seed)
    measures = [("share", name) for name in labels]
    measures += [("entropy", ""), ("inertia above chance", ""), ("contagion above chance", "")]
    sizes = [sums[:, :-4].sum()] * (len(measures) - 2) + [sums[:, -3].sum(), sums[:, -1].sum()]
    rows = []
    for number, (measure, emotion) in enumerate(measures):
        row = Measure(
            measure=measure, emotion=emotion, condition=names[1], reference=names[0],
            count=int(sizes[number]), value=None, null="permuted conditions",
        )  # fmt: skip
        if not np.isnan(values[:, number]).any():
            row = _fill_in(row, values[:, number], permuted[:, number], drawn[:, number])
        rows.append(row)
    return rows


def _fill_in(row: Measure, values: Floats, permuted: Floats, drawn: Floats) -> Measure:
    """Add the numbers of one comparison."""
    effect = float(values[0] - values[1])
    far = ~(np.abs(permuted) < abs(effect) - ROUNDING)  # undefined differences count as extreme
    spread = float(np.nanstd(permuted)) if not np.isnan(permuted).all() else 0.0
    low, high = interval(drawn)
    return replace(
        row,
        value=float(values[0]), expected=float(values[1]),
        effect=effect, effect_low=low, effect_high=high,
        z=effect / spread if spread > ROUNDING else None,
        p_value=float((1 + far.sum()) / (1 + len(permuted))),
    )  # fmt: skip


def _permuted_differences(compared: _Compared, *, permutations: int, seed: int) -> Floats:
    """Compute differences with permuted conditions. Shape: [permutations, K + 3]."""
    units = int(compared.unit.max()) + 1
    sums = np.zeros((units, compared.sums.shape[1]))
    np.add.at(sums, compared.unit, compared.sums)
    label, block = np.zeros(units, bool), np.zeros(units, np.intp)
    label[compared.unit], block[compared.unit] = compared.in_second, compared.block
    generator = np.random.default_rng(seed)
    total = sums.sum(axis=0)
    size = max(1, _CHUNK // max(sums.shape))
    differences = []
    for start in range(0, permutations, size):
        labels = _permute_labels(label, block, min(size, permutations - start), generator)
        second = labels.astype(np.float64) @ sums
        differences.append(_statistics(second) - _statistics(total - second))
    return np.concatenate(differences)


def _permute_labels(
    label: NDArray[np.bool_], block: Ints, size: int, generator: np.random.Generator
) -> NDArray[np.bool_]:
    """Permute the conditions of units within mixed blocks, and of pure blocks as a whole.

    Shape: label and block [U] -> [size, U].
    """
    blocks, block = np.unique(block, return_inverse=True)
    share = np.bincount(block, label, minlength=len(blocks)) / np.bincount(block)
    pure = (share == 0) | (share == 1)
    order = np.argsort(block, kind="stable")
    keys = block[order] + generator.random((size, len(block)))
    permuted = np.empty((size, len(block)), bool)
    permuted[:, order] = label[order][np.argsort(keys, axis=1)]
    pure_units = np.flatnonzero(pure)
    if len(pure_units):
        drawn = np.zeros((size, len(blocks)), bool)
        shuffled = np.argsort(generator.random((size, len(pure_units))), axis=1)
        drawn[:, pure_units] = (share[pure_units] == 1)[shuffled]
        whole_units = np.flatnonzero(pure[block])
        permuted[:, whole_units] = drawn[:, block[whole_units]]
    return permuted


def _drawn_differences(compared: _Compared, *, seed: int) -> Floats:
    """Compute bootstrap differences, with recordings resampled within each condition.

    Shape: [B, K + 3]; NaN with fewer than two recordings in a condition.
    """
    generator = np.random.default_rng(seed)
    count = int(compared.recording.max()) + 1
    sides = np.zeros((2, count, compared.sums.shape[1]))
    np.add.at(sides, (compared.in_second.astype(np.intp), compared.recording), compared.sums)
    present = sides[..., :-4].sum(axis=-1) > 0
    if present.sum(axis=1).min() < 2:
        return np.full((RESAMPLES, compared.sums.shape[1] - 1), np.nan)
    strata = present[0] + 2 * present[1]
    weights = np.zeros((RESAMPLES, count))
    for stratum in np.unique(strata):
        members = np.flatnonzero(strata == stratum)
        chances = np.full(len(members), 1 / len(members))
        weights[:, members] = generator.multinomial(len(members), chances, size=RESAMPLES)
    return _statistics(weights @ sides[1]) - _statistics(weights @ sides[0])
