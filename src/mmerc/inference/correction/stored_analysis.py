"""Read the files of an analysis."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from mmerc.errors import InputError
from mmerc.files import read_text
from mmerc.inference.analysis import Analysis, Marks
from mmerc.inference.correction.corrected_prediction import CorrectedPrediction
from mmerc.inference.correction.stored_marks import read_marks
from mmerc.inference.exports.utterance_rows import SET_SEPARATOR
from mmerc.inference.formats import ANALYSIS_FORMATS
from mmerc.labels import LABEL_SETS, LabelSet
from mmerc.parsing import parse_json
from mmerc.prediction.utterance_prediction import UtterancePrediction

_DATA = re.compile(r'<script id="data" type="application/json">(.*?)</script>', re.DOTALL)
_FIX = "name the files that `mmerc analyze` wrote, or analyse the recording again"
_MAPPINGS = ("probabilities", "weights", "effects", "layer_weights", "left_out")
_TEXTS = (
    "conversation", "id", "speaker", "text", "label", "doubtful_words", "predicted_label",
    "corrections", "corrected_by",
)  # fmt: skip
_FLAGS = {"True": True, "False": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAnalysis:
    """An analysis and its files in ``folder``."""

    analysis: Analysis
    stem: str
    folder: Path
    files: tuple[Path, ...]


def load_analysis(path: str | Path) -> StoredAnalysis:
    """Read an analysis from one of its files, their path without suffix, or its folder.

    Predictions come from the ``.jsonl`` file or else the ``.csv`` file. Recording, duration, model,
    remarks and positions of doubtful words come from the page, if it exists. InputError if there
    are no such files, or if they do not belong together.
    """
    stem = _find_stem(Path(path))
    files = [stem.with_name(f"{stem.name}.{name}") for name in ANALYSIS_FORMATS]
    existing = tuple(file for file in files if file.is_file())
    path, rows, predictions = _read_predictions(stem)
    page = _read_page(stem.with_name(f"{stem.name}.html"), len(predictions))
    absent = {
        item.id: values["absent"]
        for item, values in zip(predictions, page.get("utterances", ()), strict=False)
        if values.get("absent")
    }
    analysis = Analysis(
        recording=str(page.get("recording", stem.name)),
        duration=page.get("duration"),
        model=str(page.get("model", "an unnamed model")),
        labels=_label_set(list(predictions[0].probabilities), page.get("labels", ())),
        predictions=tuple(predictions),
        absent=absent,
        remarks=tuple(map(str, page.get("remarks", ()))),
        marks=_read_all_marks(path, rows, page),
        set_level=page.get("set_level"),
    )
    return StoredAnalysis(analysis=analysis, stem=stem.name, folder=stem.parent, files=existing)


def _find_stem(path: Path) -> Path:
    """Return the path of the results without suffix."""
    if path.is_dir():
        stems = sorted(
            {file.stem for ending in ("jsonl", "csv") for file in path.glob(f"*.{ending}")}
        )
        stems = [stem for stem in stems if not _is_list_of(stem, stems)]
        if len(stems) != 1:
            names = ", ".join(stems) or "none"
            raise InputError(
                path, f"a folder of {len(stems)} analyses ({names})", "name one of them"
            )
        return path / stems[0]
    return path.with_suffix("") if path.suffix.removeprefix(".") in ANALYSIS_FORMATS else path


_Rows = list[dict[str, Any]]


def _is_list_of(stem: str, stems: list[str]) -> bool:
    """Whether a file lists the corrections or labels of an analysis in the same folder."""
    name, _, kind = stem.rpartition(".")
    return kind in {"corrections", "labels"} and name in stems


def _read_predictions(stem: Path) -> tuple[Path, _Rows, list[UtterancePrediction]]:
    """Read the .jsonl or .csv file: path, rows, predictions; InputError if neither is readable."""
    lines, table = (stem.with_name(f"{stem.name}.{ending}") for ending in ("jsonl", "csv"))
    path = lines if lines.is_file() or not table.is_file() else table
    try:
        if path == lines:
            rows = [
                parse_json(line, where=f"{path}, line {number}", fix=_FIX)
                for number, line in enumerate(read_text(path).split("\n"), start=1)
                if line.strip()
            ]
        else:
            rows = [
                _unflatten(row) for row in csv.DictReader(io.StringIO(read_text(path), newline=""))
            ]
        predictions = [build_prediction(row) for row in rows]
        if not predictions or not all(item.label in item.probabilities for item in predictions):
            raise ValueError("no predictions")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, csv.Error) as error:
        raise InputError(path, "not the predictions of an analysis", _FIX) from error
    return path, rows, predictions


def _read_all_marks(path: Path, rows: _Rows, page: Mapping[str, Any]) -> dict[str, Marks]:
    """Read the marks of all utterances by id; utterances without doubts are omitted."""
    page_rows = page.get("utterances") or [{}] * len(rows)
    try:
        marks = {
            str(row["id"]): read_marks(row, values)
            for row, values in zip(rows, page_rows, strict=True)
        }
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(path, "its overlaps or doubtful words are damaged", _FIX) from error
    return {key: value for key, value in marks.items() if value != Marks()}


def build_prediction(row: Mapping[str, Any]) -> UtterancePrediction:
    """Build a prediction, corrected or not; other keys are ignored."""
    kind = CorrectedPrediction if "predicted_label" in row else UtterancePrediction
    names = {item.name for item in fields(kind)}
    values = {name: value for name, value in row.items() if name in names}
    if values.get("emotions") is not None:
        values["emotions"] = tuple(values["emotions"])
    return kind(**values)


def _unflatten(row: Mapping[str, str]) -> dict[str, Any]:
    """Restore the nested mappings of a table row."""
    values: dict[str, Any] = {name: {} for name in _MAPPINGS}
    for column, cell in row.items():
        name, _, key = column.partition(".")
        if key and name in _MAPPINGS:
            values[name][key] = _FLAGS[cell] if cell in _FLAGS else _number(cell)
        elif column == "emotions":
            values[column] = tuple(cell.split(SET_SEPARATOR))
        elif column == "unsure":
            values[column] = _FLAGS[cell]
        elif column in _TEXTS:
            values[column] = cell
        else:
            values[column] = _number(cell)
    return values


def _number(cell: str) -> float | None:
    """Parse a cell as a number; None if it is empty."""
    return float(cell) if cell else None


def _read_page(path: Path, count: int) -> dict[str, Any]:
    """Read the page's data; empty without a page. InputError for another number of utterances."""
    if not path.is_file():
        return {}
    match = _DATA.search(read_text(path))
    try:
        data = parse_json(match[1], where=f"{path}, its data", fix=_FIX) if match else {}
        if match and len(data["utterances"]) != count:
            problem = (
                f"has {len(data['utterances'])} utterances, but the table next to it has {count}"
            )
            raise InputError(path, problem, "keep the files of one analysis together")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(path, "not the page of an analysis", _FIX) from error
    return dict(data)


def _label_set(names: list[str], page_labels: Any) -> LabelSet:
    """Build the label set with these names and the page's colours."""
    for known in LABEL_SETS.values():
        if list(known.names) == names:
            return known
    colours = tuple(str(item["colour"]) for item in page_labels)
    return LabelSet("custom", tuple(names), colours if len(colours) == len(names) else ())
