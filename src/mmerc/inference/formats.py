"""Predictions as JSON Lines, as CSV, and as text to read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal, get_args

from mmerc.prediction.predictions import UtterancePrediction

Format = Literal["jsonl", "csv", "text"]
FORMATS: tuple[Format, ...] = get_args(Format)


def render(predictions: Sequence[UtterancePrediction], form: Format) -> str:
    """Text in the chosen format."""
    renderers = {"jsonl": as_json_lines, "csv": as_csv, "text": as_text}
    return renderers[form](predictions)


def as_json_lines(predictions: Sequence[UtterancePrediction]) -> str:
    """One JSON object an utterance."""
    return "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in predictions)


def as_csv(predictions: Sequence[UtterancePrediction]) -> str:
    """One row an utterance; ``probabilities.joy``, ``weights.text`` and so on are columns."""
    rows = [flat(asdict(item)) for item in predictions]
    text = io.StringIO()
    # A lone carriage return would end a row, and Python quotes it from 3.13 on only.
    lone = any("\r" in str(value) for row in rows for value in row.values())
    writer = csv.DictWriter(
        text,
        fieldnames=list(rows[0]) if rows else [],
        lineterminator="\n",
        quoting=csv.QUOTE_ALL if lone else csv.QUOTE_MINIMAL,
    )
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


def as_text(predictions: Sequence[UtterancePrediction]) -> str:
    """Two lines an utterance: what was said, and the emotion with its reasons."""
    lines = []
    for number, item in enumerate(predictions):
        if number and item.conversation != predictions[number - 1].conversation:
            lines.append("")
        lines += [f"{item.speaker}: {item.text}", f"    {item.label.upper()}  {reasons(item)}"]
    return "\n".join(lines) + "\n"


def reasons(item: UtterancePrediction) -> str:
    """How sure, what else it might be, and how many points of that each part brings."""
    ranked = sorted(item.probabilities.items(), key=lambda pair: -pair[1])
    parts = [f"{ranked[0][1]:.0%} sure", f"else {ranked[1][0]} {ranked[1][1]:.0%}"]
    counted = [*item.effects.items(), ("context", item.context_effect)]
    effects = [f"{name} {100 * e:+.0f}" for name, e in counted if e is not None]
    if effects:
        parts.append("points due to " + ", ".join(effects))
    return "; ".join(parts)
