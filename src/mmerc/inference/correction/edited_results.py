"""The edited results of an analysis, and lists of corrections and labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mmerc.csv_text import format_csv
from mmerc.evaluation.label_sampling import CHOSEN
from mmerc.files import write_text
from mmerc.inference.analysis import Analysis, Marks
from mmerc.inference.correction.corrected_prediction import CorrectedPrediction
from mmerc.inference.correction.correction_log import AnyEdit, Correction, CorrectionLog
from mmerc.inference.correction.edited_lines import EditedLine
from mmerc.inference.correction.edits import PredictEdit, RedoEdit, UndoEdit
from mmerc.inference.results import write_results

CORRECTIONS, LABELS = "corrections.csv", "labels.csv"
FOLDER = "corrected"
"""The folder of corrected results, next to the analysis."""
_LINE_COLUMNS = ("conversation", "id", "speaker", "start", "end", "text")
_CORRECTION_COLUMNS = ("number", "time", "rater", "kind", "lines", "values", "undone")


def build_edited_analysis(log: CorrectionLog) -> Analysis:
    """Build the edited analysis, without excluded lines, in order of time."""
    with log.lock:
        analysis, lines = log.analysis, [log.lines.lines[key] for key in log.lines.order]
        corrections = [c for c in log.corrections if log.is_active(c)]
    if not corrections:
        return analysis
    used = [line for line in lines if not line.excluded]
    if all(line.start is not None for line in used):
        used.sort(key=lambda line: line.start or 0.0)
    absent = {
        line.id: analysis.absent[line.prediction.id]
        for line in used
        if line.prediction.id in analysis.absent
    }
    return replace(
        analysis,
        predictions=tuple(map(_correct_one, used)),
        absent=absent,
        marks={line.id: line.marks for line in used if line.marks != Marks()},
        remarks=(*analysis.remarks, *_remarks(lines, corrections)),
    )


def _correct_one(line: EditedLine) -> CorrectedPrediction:
    """Convert a line for the output formats."""
    values = {f.name: getattr(line.prediction, f.name) for f in fields(line.prediction)}
    label = line.label or line.prediction.label
    values |= {
        "id": line.id, "speaker": line.speaker, "text": line.text, "start": line.start,
        "end": line.end, "label": label, "predicted_label": line.prediction.label,
    }  # fmt: skip
    changed = [f for f in line.authors if f != "label" or label != line.prediction.label]
    raters = dict.fromkeys(author.rater for author in line.authors.values())
    values |= {"corrections": ", ".join(changed), "corrected_by": "; ".join(raters)}
    return CorrectedPrediction(**values)


def _remarks(lines: list[EditedLine], corrections: list[Correction]) -> Iterator[str]:
    """Remark on people's edits, and on predictions that are out of date."""
    counts = Counter(
        (c.author.rater, c.edit.kind) for c in corrections if not isinstance(c.edit, PredictEdit)
    )
    parts = [f"{rater} {count} x {kind}" for (rater, kind), count in sorted(counts.items())]
    if parts:
        yield f"Corrected by people: {', '.join(parts)}."
    if excluded := sum(line.excluded for line in lines):
        yield f"{excluded} of {len(lines)} utterances were excluded by people."
    if stale := sum(line.is_stale and not line.excluded for line in lines):
        yield (
            f"The predictions of {stale} utterances are older than corrections of their words, "
            "speaker or times."
        )


def write_edited_results(log: CorrectionLog, directory: str | Path, *, stem: str) -> list[Path]:
    """Write all formats, the list of corrections and the raters' labels, replacing old files."""
    directory = Path(directory)
    paths = write_results(build_edited_analysis(log), directory, stem=stem, overwrite=True)
    for name, text in ((CORRECTIONS, list_corrections(log)), (LABELS, list_labels(log))):
        paths.append(directory / f"{stem}.{name}")
        write_text(paths[-1], text)
    return paths


def list_corrections(log: CorrectionLog, *, rater: str | None = None) -> str:
    """List every correction as CSV, including undone ones: rater, time and new values.

    ``rater``: list only this rater's, here and below.
    """
    with log.lock:
        corrections, undone = list(log.corrections), set(log.undone)
    rows = [
        {
            "number": item.number,
            "time": datetime.fromtimestamp(item.author.time, UTC).isoformat(timespec="seconds"),
            "rater": item.author.rater,
            "kind": item.edit.kind,
            "lines": "; ".join(sorted(item.lines)),
            "values": describe_values(item.edit),
            "undone": item.number in undone,
        }
        for item in corrections
        if rater in {None, item.author.rater}
    ]
    return format_csv(list(_CORRECTION_COLUMNS), rows)


def describe_values(edit: AnyEdit) -> str:
    """Describe the new values of an edit: "joy", "2.5 to 3.1", ..."""
    match edit:
        case PredictEdit():
            return ""
        case UndoEdit() | RedoEdit():
            return str(edit.number)
    values = edit.model_dump(exclude={"kind", "id", "blind", "everywhere"}, exclude_none=True)
    return " to ".join(str(value) for value in values.values())


def list_labels(log: CorrectionLog, *, rater: str | None = None) -> str:
    """List the labelled lines as CSV, a row per label.

    ``mmerc agree``, ``mmerc shares`` and ``mmerc adapt`` read it. Unless all lines are labelled,
    the strategy column says that raters chose which ones to label.
    """
    with log.lock:
        lines = [log.lines.lines[key] for key in log.lines.order]
    lines = [line for line in lines if not line.excluded]
    counts = Counter(name for line in lines for name in line.ratings)
    rows: list[dict[str, Any]] = [
        {name: getattr(line, name) for name in _LINE_COLUMNS if name != "conversation"}
        | {"conversation": line.prediction.conversation, "label": label, "rater": name}
        | {"strategy": "" if counts[name] == len(lines) else CHOSEN}
        for line in lines
        for name, label in sorted(line.ratings.items())
        if rater in {None, name}
    ]
    return format_csv([*_LINE_COLUMNS, "strategy", "label", "rater"], rows)
