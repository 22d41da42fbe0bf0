"""Rows of values as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any


def format_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Format rows as CSV with a header; None and missing values are empty cells."""
    listed = list(rows)
    text = io.StringIO()
    # A lone carriage return would end a row; Python quotes it since 3.13.
    lone_return = any("\r" in str(value) for row in listed for value in row.values())
    writer = csv.DictWriter(
        text,
        fieldnames=columns,
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if lone_return else csv.QUOTE_MINIMAL,
    )
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue()


def flatten_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """Flatten nested mappings to columns such as ``weights.text``."""
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            columns |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            columns[name] = value
    return columns
