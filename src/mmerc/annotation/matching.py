"""Match utterances in the files of several raters, by id or by time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mmerc.annotation.rated_lines import RatedLine
from mmerc.annotation.rater_files import spellings
from mmerc.errors import InputError
from mmerc.evaluation.rater_agreement import Ratings
from mmerc.labels import UNKNOWN_LABEL

_MIN_OVERLAP = 0.5  # share of the shorter interval
_MAX_LABELS = 50
_POINT = 0.001  # seconds; duration assigned to a point in time


@dataclass(slots=True, kw_only=True)
class _MatchedUtterance:
    """An utterance with the label of each rater, by name."""

    line: RatedLine
    labels: dict[str, str | None] = field(default_factory=dict)
    weight: float | None = None


def match_raters(
    lines: Mapping[str, Sequence[RatedLine]], labels: Sequence[str] | None = None
) -> tuple[Ratings, list[str]]:
    """Combine the labels of all raters; return remarks on unmatched lines.

    Lines with an id match by conversation and id. If one side has no ids, lines match by time: the
    largest overlap, at least half of the shorter line, and the same speaker if both sides use the
    same speaker names. Labels match ignoring case. ``labels`` are the allowed labels in order
    (default: those that occur, sorted). InputError for any other label, and for a rater with two
    labels for an utterance.
    """
    names = _label_names(lines, labels)
    units: list[_MatchedUtterance] = []
    for rater, rated in lines.items():
        _add_rater(units, rater, rated)
    places = {name.casefold(): place for place, name in enumerate(names)}
    values = np.full((len(lines), len(units)), UNKNOWN_LABEL, dtype=np.int64)
    for row, rater in enumerate(lines):
        for column, unit in enumerate(units):
            label = unit.labels.get(rater)
            if label is not None:
                values[row, column] = places[label.casefold()]
    ratings = Ratings(
        labels=tuple(names),
        raters=tuple(lines),
        conversations=tuple(unit.line.conversation for unit in units),
        speakers=tuple(unit.line.speaker for unit in units),
        values=values,
        weights=_find_weights(units, values),
    )
    return ratings, _remarks(ratings)


def _find_weights(
    units: Sequence[_MatchedUtterance], values: NDArray[np.int64]
) -> NDArray[np.float64] | None:
    """Return the weight of each utterance; None unless all are known."""
    weights = np.array([unit.weight or np.nan for unit in units], dtype=np.float64)
    counted = (values >= 0).sum(axis=0) > 1
    return weights if counted.any() and np.isfinite(weights[counted]).all() else None


def _label_names(
    lines: Mapping[str, Sequence[RatedLine]], labels: Sequence[str] | None
) -> list[str]:
    """Return the labels in order, in the first spelling used."""
    written: dict[str, str] = {}
    for label in spellings(lines):
        written.setdefault(label.casefold(), label)
    if labels is None:
        if len(written) > _MAX_LABELS:
            problem = f"{len(written)} different labels, so this is probably another column"
            raise InputError("raters", problem, "name the right columns or tiers with --raters")
        return [written[key] for key in sorted(written)]
    allowed = {label.casefold() for label in labels}
    for rater, rated in lines.items():
        for line in rated:
            if line.label and line.label.casefold() not in allowed:
                problem = f"{rater} used {line.label!r}, which is not one of them"
                raise InputError("labels", problem, f"use {', '.join(labels)}, or add it")
    return list(labels)


def _add_rater(units: list[_MatchedUtterance], rater: str, lines: Sequence[RatedLine]) -> None:
    """Add one rater's labels; unmatched lines become new units."""
    by_id = {(unit.line.conversation, unit.line.id): unit for unit in units if unit.line.id}
    rest = []
    for line in lines:
        unit = by_id.get((line.conversation, line.id)) if line.id else None
        if unit is None and line.id and line.start is None:
            unit = by_id[line.conversation, line.id] = _MatchedUtterance(line=line)
            units.append(unit)
        if unit is None:
            rest.append(line)
        else:
            _set_label(unit, rater, line)
    for line, unit in _match_times(units, rater, rest):
        if unit is None:
            unit = by_id.get((line.conversation, line.id)) if line.id else None  # noqa: PLW2901
        if unit is None:
            unit = _MatchedUtterance(line=line)  # noqa: PLW2901
            units.append(unit)
        if line.id:
            by_id[line.conversation, line.id] = unit
            unit.line = replace(unit.line, id=unit.line.id or line.id)
        _set_label(unit, rater, line)


def _set_label(unit: _MatchedUtterance, rater: str, line: RatedLine) -> None:
    """Set a rater's label; InputError if there is a different one."""
    before = unit.labels.get(rater)
    if before and line.label and before.casefold() != line.label.casefold():
        where = f"{rater}, conversation {line.conversation!r}, utterance {line.id!r}"
        problem = f"labelled twice, as {before!r} and as {line.label!r}"
        raise InputError(where, problem, "keep one of the labels")
    unit.labels[rater] = line.label or before
    unit.weight = unit.weight or line.weight


def _match_times(
    units: Sequence[_MatchedUtterance], rater: str, lines: Sequence[RatedLine]
) -> Iterator[tuple[RatedLine, _MatchedUtterance | None]]:
    """Pair each line with the unit of largest overlap, each unit once; None if there is none."""
    free: dict[str, list[_MatchedUtterance]] = {}
    for unit in units:
        if rater not in unit.labels and unit.line.start is not None and unit.line.end is not None:
            free.setdefault(unit.line.conversation, []).append(unit)
    by_conversation: dict[str, list[RatedLine]] = {}
    for line in lines:
        by_conversation.setdefault(line.conversation, []).append(line)
    for name, members in by_conversation.items():
        candidates = free.get(name, [])
        pairs = pair_by_time(members, [unit.line for unit in candidates])
        for place, line in enumerate(members):
            yield line, candidates[pairs[place]] if place in pairs else None


def pair_by_time(lines: Sequence[RatedLine], others: Sequence[RatedLine]) -> dict[int, int]:
    """Pair lines of a conversation by overlap, largest first; return indices in both.

    Two lines with ids are never paired.
    """
    if not lines or not others:
        return {}
    speakers = {line.speaker for line in lines} & {line.speaker for line in others} - {""}
    order = sorted(range(len(others)), key=lambda place: others[place].start or 0.0)
    starts = np.array([others[place].start for place in order])
    reached = np.maximum.accumulate([others[place].end or 0.0 for place in order])
    overlaps: list[tuple[float, int, int]] = []
    for place, line in enumerate(lines):
        if line.start is None or line.end is None:
            continue
        first = int(np.searchsorted(reached, line.start, side="left"))
        last = int(np.searchsorted(starts, max(line.end, line.start + _POINT), side="left"))
        for other in order[first:last]:
            overlap = _overlap(line, others[other], comparable=bool(speakers))
            if overlap > 0:
                overlaps.append((-overlap, place, other))
    pairs: dict[int, int] = {}
    used: set[int] = set()
    for _, place, other in sorted(overlaps):
        if place not in pairs and other not in used:
            pairs[place] = other
            used.add(other)
    return pairs


def _overlap(line: RatedLine, other: RatedLine, *, comparable: bool) -> float:
    """Return the overlap of two lines in seconds; 0 if they cannot be the same utterance."""
    if line.id and other.id:
        return 0.0
    if comparable and line.speaker and other.speaker and line.speaker != other.speaker:
        return 0.0
    one, two = _span(line), _span(other)
    shared = min(one[1], two[1]) - max(one[0], two[0])
    shorter = min(one[1] - one[0], two[1] - two[0])
    return shared if shared >= _MIN_OVERLAP * shorter else 0.0


def _span(line: RatedLine) -> tuple[float, float]:
    """Return start and end; a point lasts a millisecond."""
    start, end = line.start or 0.0, line.end or 0.0
    return start, max(end, start + _POINT)


def _remarks(ratings: Ratings) -> list[str]:
    """Remark on utterances labelled by only one rater."""
    rated = ratings.values >= 0
    alone = rated & (rated.sum(axis=0) == 1)
    return [
        f"{count} of {total} labels of {rater} are on utterances that no other rater labelled."
        for rater, count, total in zip(
            ratings.raters, alone.sum(axis=1), rated.sum(axis=1), strict=True
        )
        if count
    ]
