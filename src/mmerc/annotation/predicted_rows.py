"""Read the predictions of a study as rows, from tables, Parquet files and folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmerc.annotation.rated_lines import RatedLine, build_line, find_column, read_label_rows
from mmerc.annotation.rater_files import find_files
from mmerc.csv_text import flatten_row
from mmerc.errors import InputError, UsageError

_LABEL_COLUMNS = ("label", "predicted", "emotion")
_PROBABILITIES = ("probabilities.", "probability_")
_STUDY_TABLE = "utterances.parquet"
_FIX = "name the output of `mmerc predict`, `mmerc analyze`, `mmerc evaluate` or a study"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PredictedRows:
    """Predicted utterances with all columns of the table.

    ``labels`` are the labels with probabilities, in order; empty without probabilities.
    Shape: probabilities [N, K] or None.
    """

    lines: tuple[RatedLine, ...]
    rows: tuple[Mapping[str, Any], ...]
    labels: tuple[str, ...]
    probabilities: NDArray[np.float64] | None

    def read_column(self, name: str) -> list[str]:
        """Return the values of a column; UsageError if no row has it."""
        columns = dict.fromkeys(column for row in self.rows for column in row)
        column = find_column(name, columns)
        if column not in columns:
            problem = f"--by {name!r} is not a column of the predictions"
            raise UsageError(f"{problem} ({', '.join(columns)}).")
        values = (row.get(column) for row in self.rows)
        return [str(value if value not in {None, ""} else "(none)") for value in values]


def is_predicted_table(path: Path) -> bool:
    """Whether a path is a study's folder or a Parquet file, so not from a rater."""
    return path.suffix == ".parquet" or (path / _STUDY_TABLE).is_file()


def read_predicted_rows(path: Path) -> PredictedRows:
    """Read predictions: ``.jsonl``, ``.csv``, ``.parquet``, a folder of them, or a study's folder.

    InputError without a predicted label, or if an utterance occurs twice.
    """
    table = path / _STUDY_TABLE
    files = (
        [table] if table.is_file() else find_files(path) if path.suffix != ".parquet" else [path]
    )
    rows = [flatten_row(row) for file in files for row in _read_file(file)]
    columns = dict.fromkeys(name for row in rows for name in row)
    label = next((name for name in _LABEL_COLUMNS if name in columns), None)
    if label is None:
        raise InputError(path, "has no column 'label' with predictions", _FIX)
    lines = [build_line(row, row.get(label), str(path)) for row in rows]
    _check_unique(path, lines)
    names = _probability_columns(list(columns))
    return PredictedRows(
        lines=tuple(lines),
        rows=tuple(rows),
        labels=tuple(names),
        probabilities=_read_probabilities(path, rows, list(names.values())) if names else None,
    )


def _read_file(path: Path) -> list[dict[str, Any]]:
    """Rows of one file."""
    if path.suffix != ".parquet":
        return [row for _, row in read_label_rows(path)]
    try:
        return [dict(row) for row in pq.read_table(path).to_pylist()]
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "check the path") from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(path, "not a Parquet file", _FIX) from error


def _check_unique(path: Path, lines: Sequence[RatedLine]) -> None:
    """Refuse repeated utterances and missing predicted labels."""
    seen: set[tuple[str, str | None]] = set()
    for line in lines:
        key = (line.conversation, line.id)
        if line.id and key in seen:
            where = f"{path}, conversation {line.conversation!r}"
            raise InputError(where, f"utterance {line.id!r} occurs twice", "keep one of them")
        if not line.label:
            raise InputError(path, f"utterance {line.id!r} has no predicted label", _FIX)
        seen.add(key)


def _probability_columns(columns: Sequence[str]) -> dict[str, str]:
    """The column of each label's probability."""
    return {
        column.removeprefix(prefix): column
        for prefix in _PROBABILITIES
        for column in columns
        if column.startswith(prefix)
    }


def _read_probabilities(
    path: Path, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]
) -> NDArray[np.float64]:
    """Probabilities of all rows. Shape: -> [N, K]."""
    try:
        values = np.array([[float(row[name]) for name in columns] for row in rows])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(path, "a probability is missing or not a number", _FIX) from error
    if not (np.isfinite(values) & (values >= 0)).all():
        raise InputError(path, "a probability is not between 0 and 1", _FIX)
    return values
