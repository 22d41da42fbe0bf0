"""Export predictions as rows: JSON Lines, CSV, and plain text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from mmerc.csv_text import flatten_row, format_csv
from mmerc.inference.analysis import Analysis, Marks
from mmerc.prediction.utterance_prediction import UtterancePrediction

SET_SEPARATOR = "|"
_SET_VALUES = ("emotions", "unsure")


def analysis_as_json_lines(analysis: Analysis) -> str:
    """Write ``as_json_lines`` plus the marks of each utterance."""
    return "".join(
        json.dumps(row | {"doubtful_words": words}, ensure_ascii=False) + "\n"
        for row, words in _marked_rows(analysis)
    )


def analysis_as_csv(analysis: Analysis) -> str:
    """Write ``as_csv`` plus the marks of each utterance; doubtful words share one column."""
    return _as_table(
        [
            flatten_row(row | {"doubtful_words": " ".join(words)})
            for row, words in _marked_rows(analysis)
        ]
    )


def _marked_rows(analysis: Analysis) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Yield each utterance's row with its overlap and label doubt, and its doubtful words."""
    for item in analysis.predictions:
        marks = analysis.marks.get(item.id, Marks())
        words = [item.text[start:end] for start, end in marks.doubtful]
        row = _prediction_row(item) | {"overlap": marks.overlap, "doubtful_label": marks.label}
        yield row, words


def as_json_lines(predictions: Sequence[UtterancePrediction]) -> str:
    """Write one JSON object per utterance, one per line."""
    rows = map(_prediction_row, predictions)
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_csv(predictions: Sequence[UtterancePrediction]) -> str:
    """Write a row per utterance, with columns such as ``probabilities.joy``, ``weights.text``."""
    return _as_table([flatten_row(_prediction_row(item)) for item in predictions])


def _prediction_row(item: UtterancePrediction) -> dict[str, Any]:
    """Return the values of a prediction; set values only if sets were requested."""
    skipped = () if item.emotions is not None else _SET_VALUES
    names = (value.name for value in fields(item))
    return {name: getattr(item, name) for name in names if name not in skipped}


def _as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Format rows as CSV; the labels of a set share one column."""
    return format_csv(list(rows[0]) if rows else [], map(_join_emotions, rows))


def _join_emotions(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Join the labels of a row's set."""
    emotions = row.get("emotions")
    return row if emotions is None else {**row, "emotions": SET_SEPARATOR.join(emotions)}


def as_text(predictions: Sequence[UtterancePrediction]) -> str:
    """Write two lines per utterance: the words, and the emotion with the reasons."""
    lines = []
    for number, item in enumerate(predictions):
        if number and item.conversation != predictions[number - 1].conversation:
            lines.append("")
        lines.append(f"{item.speaker}: {item.text}")
        lines.append(f"    {item.label.upper()}  {_summarise_reasons(item)}")
    return "\n".join(lines) + "\n"


def _summarise_reasons(item: UtterancePrediction) -> str:
    """Summarise the probability, the runner-up emotion, and the effect of each input."""
    ranked = sorted(item.probabilities.items(), key=lambda pair: -pair[1])
    parts = [f"{ranked[0][1]:.0%} sure", f"else {ranked[1][0]} {ranked[1][1]:.0%}"]
    if item.emotions is not None:
        parts.append("unsure" if item.unsure else f"set: {' or '.join(item.emotions)}")
    effects_by_part = [*item.effects.items(), ("context", item.context_effect)]
    effects = [f"{name} {round(100 * e):+d}" for name, e in effects_by_part if e is not None]
    if effects:
        parts.append("points due to " + ", ".join(effects))
    return "; ".join(parts)
