"""Predictions as JSON Lines and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

from mmerc.inference.predict import UtterancePrediction

Format = Literal["jsonl", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)


def render(predictions: Sequence[UtterancePrediction], form: Format) -> str:
    """Text in the chosen format."""
    return as_csv(predictions) if form == "csv" else as_json_lines(predictions)


def as_json_lines(predictions: Sequence[UtterancePrediction]) -> str:
    """One JSON object an utterance."""
    return "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in predictions)


def as_csv(predictions: Sequence[UtterancePrediction]) -> str:
    """One row an utterance; ``probabilities.joy``, ``weights.text`` and so on are columns."""
    rows = [flat(asdict(item)) for item in predictions]
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Nested mappings as columns of their own."""
    columns: dict[str, Any] = {}
    for name, value in row.items():
        if isinstance(value, Mapping):
            columns |= {f"{name}.{key}": inner for key, inner in value.items()}
        else:
            columns[name] = value
    return columns
