"""Write a table as CSV and Parquet, in blocks of rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from mmerc.files import atomic_file, encodable
from mmerc.studies.table_columns import TableColumn

_BLOCK = 4096  # rows of a Parquet row group
_TYPES = {
    "text": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "truth": pa.bool_(),
}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_QUOTED = frozenset(',"\n\r')
_Row = Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class TableWriter:
    """Writes the rows of a table to a CSV and a Parquet file, atomically."""

    columns: Sequence[TableColumn]
    paths: tuple[Path, Path]
    csv: TextIO
    parquet: pq.ParquetWriter
    schema: pa.Schema
    rows: list[_Row] = field(default_factory=list)

    @classmethod
    def open(cls, path: Path, columns: Sequence[TableColumn], stack: ExitStack) -> Self:
        """Open ``PATH.csv`` and ``PATH.parquet``; ``stack`` finishes them, or discards them."""
        paths = path.with_name(f"{path.name}.parquet"), path.with_name(f"{path.name}.csv")
        temporary = [stack.enter_context(atomic_file(item)) for item in paths]
        schema = pa.schema([(column.name, _TYPES[column.kind]) for column in columns])
        csv = stack.enter_context(temporary[1].open("w", encoding="utf-8", newline=""))
        parquet = stack.enter_context(pq.ParquetWriter(temporary[0], schema))
        writer = cls(columns=columns, paths=paths, csv=csv, parquet=parquet, schema=schema)
        csv.write(format_header(columns))
        return writer

    def write(self, rows: Iterable[_Row]) -> None:
        """Append rows; columns may be missing."""
        for row in rows:
            self.rows.append({c.name: _storable(row.get(c.name)) for c in self.columns})
            if len(self.rows) >= _BLOCK:
                self.flush()

    def flush(self) -> None:
        """Write the buffered rows."""
        if self.rows:
            self.csv.write(format_rows(self.columns, self.rows))
            self.parquet.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
            self.rows.clear()


def format_header(columns: Sequence[TableColumn]) -> str:
    """Format the first line of a CSV file."""
    return ",".join(_format_cell(column.name) for column in columns) + "\n"


def format_rows(columns: Sequence[TableColumn], rows: Iterable[_Row]) -> str:
    """Format rows as lines of a CSV file."""
    names = [column.name for column in columns]
    return "".join(
        ",".join(_format_cell(_storable(row.get(name))) for name in names) + "\n" for row in rows
    )


def _format_cell(value: object) -> str:
    """Format a CSV cell: empty for None; texts that spreadsheets would compute start with '."""
    if value is None:
        return ""
    text = str(value)
    if isinstance(value, str) and text.startswith(_FORMULA):
        text = f"'{text}"
    if _QUOTED.isdisjoint(text):
        return text
    escaped = text.replace('"', '""')
    return f'"{escaped}"'


def _storable(value: Any) -> Any:
    """Return the value; replace lone surrogates in text."""
    return encodable(value) if isinstance(value, str) else value
