"""Read a corrected file and match its lines with the utterances of an analysis."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmerc.annotation.elan_reader import read_eaf
from mmerc.annotation.matching import pair_by_time
from mmerc.annotation.rated_lines import (
    ENDINGS,
    LABEL_TIER,
    RatedLine,
    read_label_rows,
    read_seconds,
)
from mmerc.annotation.textgrid_reader import read_textgrid
from mmerc.annotation.tier_files import AnnotationTier, Interval, TierFile
from mmerc.errors import InputError
from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.tiers import build_tiers, one_line, printable
from mmerc.prediction.utterance_prediction import UtterancePrediction

FIELDS = ("label", "text", "speaker", "start", "end")
Value = str | float | None
_TOLERANCE = 0.5  # seconds that a time may be past the recording's end
_WORDS_TIER = "words"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectedLine:
    """The fields in a file for the utterance at ``position`` in the analysis.

    Unchanged fields have the analysis's own value.
    """

    position: int
    values: Mapping[str, Value]


def read_corrected_lines(path: Path, analysis: Analysis) -> list[CorrectedLine]:
    """Read a corrected ``.csv``, ``.jsonl``, ``.eaf`` or ``.TextGrid`` of an analysis.

    InputError for an empty or unknown label, a file of another recording, and times or lines that
    match no utterance.
    """
    ending = path.suffix.lower()
    if ending in {".csv", ".jsonl"}:
        lines = list(_table_lines(path, analysis))
    elif ending in {".eaf", ".textgrid"}:
        lines = list(_tier_lines(path, analysis))
    else:
        raise InputError(path, "not a kind of file to correct in", f"use {', '.join(ENDINGS)}")
    if not lines:
        raise InputError(path, "an empty annotation: it has no line", "export it again")
    return lines


def _table_lines(path: Path, analysis: Analysis) -> Iterator[CorrectedLine]:
    """Read the rows of a table, matched by conversation and id."""
    places = {(item.conversation, item.id): i for i, item in enumerate(analysis.predictions)}
    rows = read_label_rows(path)
    if not any((_cell(row, "conversation"), _cell(row, "id")) in places for _, row in rows):
        problem = f"no line belongs to an utterance of {analysis.recording}"
        raise InputError(path, problem, "check that it is a corrected file of this analysis")
    used: set[int] = set()
    for where, row in rows:
        key = (_cell(row, "conversation"), _cell(row, "id"))
        if key not in places or places[key] in used:
            problem = "occurs twice" if key in places else "is not in the analysis"
            fix = "keep one line per utterance of the analysis"
            raise InputError(f"{path}, {where}", f"utterance {key[1]!r} {problem}", fix)
        position = places[key]
        used.add(position)
        yield _build_line(
            position, {name: row[name] for name in FIELDS if name in row}, f"{path}, {where}",
            analysis, same=_same_in_tables,
        )  # fmt: skip


def _cell(row: Mapping[str, object], name: str) -> str:
    """Return a cell as text."""
    return str(row.get(name, ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class _TierLine:
    """An utterance on tiers; ``text`` or ``label`` is None if that tier is missing."""

    speaker: str
    interval: Interval
    text: str | None
    label: str | None


def _tier_lines(path: Path, analysis: Analysis) -> Iterator[CorrectedLine]:
    """Read intervals of words and emotions, matched by time."""
    file = read_eaf(path) if path.suffix.lower() == ".eaf" else read_textgrid(path)
    _check_recording(file, analysis)
    lines = _collect_lines(file, analysis)
    if not lines:
        problem = f"no tier {_WORDS_TIER}@NAME or {LABEL_TIER}@NAME with annotations"
        raise InputError(path, f"an empty annotation: {problem}", "export it again")
    pairs = _match(lines, analysis.predictions)
    if not pairs:
        problem = f"no line matches the times of an utterance of {analysis.recording}"
        raise InputError(path, problem, "check that it is of this recording")
    for place, line in enumerate(lines):
        where = (
            f"{path}, {line.interval.start:.3f} to {line.interval.end:.3f} s of {line.speaker!r}"
        )
        _check_times(line, where, analysis)
        if place not in pairs:
            problem = "matches no utterance of the analysis"
            fix = "change the boundaries of an utterance instead of adding one"
            raise InputError(where, problem, fix)
        yield _tier_line_values(line, pairs[place], where, analysis)


def _check_recording(file: TierFile, analysis: Analysis) -> None:
    """Refuse a file for another recording; the recording itself may be missing."""
    stems = {Path(name).stem for name in file.media}
    if stems and Path(printable(analysis.recording)).stem not in stems:
        problem = f"its tiers are for {file.media[0]}, but the analysis is of {analysis.recording}"
        raise InputError(file.path, problem, "name the analysis of that recording")


def _collect_lines(file: TierFile, analysis: Analysis) -> list[_TierLine]:
    """Collect the lines of all tiers; words and emotions with the same name are joined."""
    speakers = {tier.name: tier.speaker for tier in build_tiers(analysis)}
    groups: dict[str, dict[str, AnnotationTier]] = {}
    for tier in file.tiers:
        for kind in (_WORDS_TIER, LABEL_TIER):
            if tier.is_kind(kind):
                name = tier.name.partition("@")[2] or tier.participant
                groups.setdefault(name, {})[kind] = tier
    return [
        line
        for name, tiers in groups.items()
        for line in _join_tiers(_speaker(name, tiers, speakers), tiers)
    ]


def _speaker(name: str, tiers: Mapping[str, AnnotationTier], speakers: Mapping[str, str]) -> str:
    """Return the speaker of the tiers with a name, considering renamed participants."""
    tier = next(iter(tiers.values()))
    original = speakers.get(name)
    if original is not None and tier.participant in {"", printable(original)}:
        return original
    return tier.speaker


def _join_tiers(speaker: str, tiers: Mapping[str, AnnotationTier]) -> Iterator[_TierLine]:
    """Join words and the emotion with the largest overlap, then add emotions without words."""
    words = tiers[_WORDS_TIER].intervals if _WORDS_TIER in tiers else ()
    emotions = tiers[LABEL_TIER].intervals if LABEL_TIER in tiers else ()
    pairs = pair_by_time(
        [_to_rated_line(item) for item in words], [_to_rated_line(item) for item in emotions]
    )
    for place, item in enumerate(words):
        label = emotions[pairs[place]].text if place in pairs else ""
        yield _TierLine(
            speaker=speaker, interval=item, text=item.text,
            label=label if LABEL_TIER in tiers else None,
        )  # fmt: skip
    for place, item in enumerate(emotions):
        if place not in pairs.values():
            text = "" if _WORDS_TIER in tiers else None
            yield _TierLine(speaker=speaker, interval=item, text=text, label=item.text)


def _to_rated_line(item: Interval, speaker: str = "") -> RatedLine:
    """Convert an interval for ``pair_by_time``."""
    return RatedLine(
        conversation="", id=None, speaker=speaker, start=item.start, end=item.end, label=None
    )


def _match(
    lines: Sequence[_TierLine], predictions: Sequence[UtterancePrediction]
) -> dict[int, int]:
    """Find the utterance of each line: first with the same speaker, then any."""
    spans = [
        RatedLine(conversation="", id=None, speaker=p.speaker, start=p.start, end=p.end, label=None)
        for p in predictions
    ]
    timed = [i for i, p in enumerate(spans) if p.start is not None and p.end is not None]
    pairs: dict[int, int] = {}
    for with_speaker in (True, False):
        free = [i for i in range(len(lines)) if i not in pairs]
        places = [i for i in timed if i not in pairs.values()]
        candidates = [
            _to_rated_line(lines[i].interval, lines[i].speaker if with_speaker else "")
            for i in free
        ]
        others = [spans[i] for i in places]
        pairs |= {free[a]: places[b] for a, b in pair_by_time(candidates, others).items()}
    return pairs


def _check_times(line: _TierLine, where: str, analysis: Analysis) -> None:
    """Refuse an interval without duration, or past the end of the recording."""
    if line.interval.end <= line.interval.start:
        raise InputError(where, "its start and end are equal", "give it a length")
    if analysis.duration is not None and line.interval.end > analysis.duration + _TOLERANCE:
        problem = f"past the end of the recording, which lasts {analysis.duration:.1f} s"
        raise InputError(where, problem, "check that the file is of this recording")


def _tier_line_values(
    line: _TierLine, position: int, where: str, analysis: Analysis
) -> CorrectedLine:
    """Build a line, with the analysis's own values where the tiers agree."""
    values: dict[str, object] = {
        "speaker": line.speaker, "start": line.interval.start, "end": line.interval.end,
    }  # fmt: skip
    if line.label is not None:
        values["label"] = line.label
    if line.text is not None:
        values["text"] = line.text
    return _build_line(position, values, where, analysis, same=_same_on_tiers)


def _same_in_tables(one: object, other: object) -> bool:
    """Whether two values are equal except for line endings."""
    if isinstance(one, str) and isinstance(other, str):
        return one.splitlines() == other.splitlines()
    return one == other


def _same_on_tiers(one: object, other: object) -> bool:
    """Whether two values look the same on tiers: in milliseconds, words on one line."""
    if isinstance(one, float) and isinstance(other, int | float):
        return round(one * 1000) == round(other * 1000)
    return one_line(str(one)) == one_line(str(other))


def _build_line(
    position: int,
    values: Mapping[str, object],
    where: str,
    analysis: Analysis,
    *,
    same: Callable[[object, object], bool],
) -> CorrectedLine:
    """Check a line's values; replace those that are the ``same`` by the analysis's own."""
    item = analysis.predictions[position]
    checked: dict[str, Value] = {}
    for name, value in values.items():
        before: Value = getattr(item, name)
        if name in {"start", "end"}:
            after: Value = read_seconds(value, where)
        elif name == "label":
            after = _label(str(value or ""), where, analysis)
        else:
            after = "" if value is None else str(value)
        checked[name] = before if same(after, before) else after
    start, end = (checked.get(name, getattr(item, name)) for name in ("start", "end"))
    if isinstance(start, float) and isinstance(end, float) and end < start:
        raise InputError(where, f"it ends at {end} s, before its start", "fix its times")
    return CorrectedLine(position=position, values=checked)


def _label(text: str, where: str, analysis: Analysis) -> str:
    """Return the label named by a text, ignoring case."""
    names = {one_line(name).casefold(): name for name in analysis.labels}
    choices = f"use one of {', '.join(analysis.labels)}"
    if not one_line(text):
        raise InputError(where, "an empty annotation: it has no label", choices)
    label = names.get(one_line(text).casefold())
    if label is None:
        raise InputError(where, f"{text!r} is not one of the labels", choices)
    return label
