"""Apply people's changes to an analysis, and write the corrected results."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from mmerc.csv_text import format_csv
from mmerc.errors import InputError, UsageError
from mmerc.files import atomic_file, write_text
from mmerc.inference.analysis import Analysis, Marks
from mmerc.inference.correction.corrected_lines import FIELDS, Value, read_corrected_lines
from mmerc.inference.correction.corrected_prediction import CorrectedPrediction
from mmerc.inference.correction.stored_analysis import StoredAnalysis, load_analysis
from mmerc.inference.results import check_free, write_results
from mmerc.prediction.utterance_prediction import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change by a rater to one field of one utterance."""

    conversation: str
    id: str
    field: str
    before: Value
    after: Value
    rater: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """A corrected analysis, with the changes of all raters and remarks on them."""

    stored: StoredAnalysis
    corrected: Analysis
    changes: tuple[Change, ...]
    remarks: tuple[str, ...]


def correct(
    analysis: str | Path, files: Sequence[str | Path], *, raters: Sequence[str] = ()
) -> Correction:
    """Read corrected files and compare them with their analysis; see also ``write_correction``.

    ``raters`` names the rater of each file (default: the file names). InputError if raters changed
    the same field of an utterance differently, or a file does not match the analysis.
    """
    paths = [Path(file) for file in files]
    names = list(raters) or [path.stem for path in paths]
    if len(names) != len(paths):
        raise UsageError(f"{len(names)} names of raters for {len(paths)} files; give one per file.")
    stored = load_analysis(analysis)
    changes: dict[tuple[int, str], Change] = {}
    remarks: list[str] = []
    for path, rater in zip(paths, names, strict=True):
        lines = read_corrected_lines(path, stored.analysis)
        missing = len(stored.analysis.predictions) - len(lines)
        if missing:
            remarks.append(f"{path.name} lacks {missing} utterances, which stay unchanged.")
        for line in lines:
            item = stored.analysis.predictions[line.position]
            for name in FIELDS:
                _add_change(changes, (line.position, name), item, line.values, rater)
    if any(name != "label" for _, name in changes):
        remarks.append("words, speakers or times were changed; emotions were not predicted again.")
    return Correction(
        stored=stored,
        corrected=_apply(stored.analysis, changes),
        changes=tuple(changes[key] for key in sorted(changes)),
        remarks=tuple(remarks),
    )


def _add_change(
    changes: dict[tuple[int, str], Change],
    key: tuple[int, str],
    item: UtterancePrediction,
    values: Any,
    rater: str,
) -> None:
    """Add a changed field; InputError if another rater changed it differently."""
    _, name = key
    before = getattr(item, name)
    after = values.get(name, before)
    if after == before:
        return
    other = changes.get(key)
    if other is not None and other.after != after:
        problem = (
            f"{other.rater} and {rater} changed its {name} differently, to {other.after!r} and "
            f"to {after!r}"
        )
        raise InputError(f"utterance {item.id!r}", problem, "agree on one in both files")
    if other is not None:
        rater = rater if rater == other.rater else f"{other.rater}, {rater}"
    changes[key] = Change(
        conversation=item.conversation, id=item.id, field=name, before=before, after=after,
        rater=rater,
    )  # fmt: skip


def _apply(analysis: Analysis, changes: dict[tuple[int, str], Change]) -> Analysis:
    """Apply the changes; sort by time, and keep utterances without times in place."""
    if not changes:
        return analysis
    predictions = [
        _correct_one(item, [changes[i, name] for name in FIELDS if (i, name) in changes])
        for i, item in enumerate(analysis.predictions)
    ]
    if any(name == "start" for _, name in changes) and all(
        p.start is not None for p in predictions
    ):
        predictions.sort(key=lambda item: item.start or 0.0)
    counts = Counter((change.rater, change.field) for change in changes.values())
    parts = [f"{rater} changed {count} {field}" for (rater, field), count in sorted(counts.items())]
    return replace(
        analysis,
        predictions=tuple(predictions),
        remarks=(*analysis.remarks, f"Corrected by people: {'; '.join(parts)}."),
        marks=_correct_marks(analysis, changes.values()),
    )


def _correct_marks(analysis: Analysis, changes: Iterable[Change]) -> dict[str, Marks]:
    """Drop outdated marks: doubts about replaced words and labels, overlaps of changed times."""
    marks = dict(analysis.marks)
    for change in changes:
        before = marks.get(change.id)
        if before is None:
            continue
        if change.field == "text":
            marks[change.id] = replace(before, doubtful=())
        elif change.field == "label":
            marks[change.id] = replace(before, label=None)
        else:
            marks[change.id] = replace(before, overlap=None)
    return marks


def _correct_one(item: UtterancePrediction, changes: Sequence[Change]) -> CorrectedPrediction:
    """Apply the changes to one utterance."""
    values = {field.name: getattr(item, field.name) for field in fields(item)}
    values |= {change.field: change.after for change in changes}
    values.setdefault("predicted_label", item.label)
    if changes:
        values["corrections"] = ", ".join(change.field for change in changes)
        values["corrected_by"] = "; ".join(dict.fromkeys(change.rater for change in changes))
    return CorrectedPrediction(**values)


def write_correction(
    correction: Correction, directory: str | Path, *, overwrite: bool = False
) -> list[Path]:
    """Write the corrected results in every format, and ``STEM.corrections.csv`` with the changes.

    Without changes the analysis's own files are copied byte for byte. InputError if a file exists
    and ``overwrite`` is false.
    """
    directory, stored = Path(directory), correction.stored
    if not correction.changes:
        return _copy(stored.files, directory, overwrite=overwrite)
    listing = directory / f"{stored.stem}.corrections.csv"
    check_free(listing, overwrite=overwrite)
    paths = write_results(correction.corrected, directory, stem=stored.stem, overwrite=overwrite)
    write_text(listing, _list_changes(correction.changes))
    return [*paths, listing]


def _copy(files: Sequence[Path], directory: Path, *, overwrite: bool) -> list[Path]:
    """Copy files, except those already in the folder."""
    copies = [(file, directory / file.name) for file in files]
    copies = [(file, to) for file, to in copies if not (to.exists() and to.samefile(file))]
    for _, to in copies:
        check_free(to, overwrite=overwrite)
    for file, to in copies:
        with atomic_file(to) as temporary:
            shutil.copyfile(file, temporary)
    return [directory / file.name for file in files]


def _list_changes(changes: Sequence[Change]) -> str:
    """Format all changes as a CSV table."""
    return format_csv([f.name for f in fields(Change)], map(asdict, changes))
