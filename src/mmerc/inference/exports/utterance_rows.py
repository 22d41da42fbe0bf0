"""Predictions as rows: JSON Lines, CSV, and text to read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from mmerc.csv_text import flatten_row, format_csv
from mmerc.inference.analysis import Analysis, Marks
from mmerc.prediction.utterance_predictions import UtterancePrediction


def analysis_as_json_lines(analysis: Analysis) -> str:
    """``as_json_lines`` with what is doubtful about each utterance."""
    return "".join(
        json.dumps(row | {"doubtful_words": words}, ensure_ascii=False) + "\n"
        for row, words in _marked_rows(analysis)
    )


def analysis_as_csv(analysis: Analysis) -> str:
    """``as_csv`` with what is doubtful about each utterance; doubtful words share one column."""
    return _as_table(
        [
            flatten_row(row | {"doubtful_words": " ".join(words)})
            for row, words in _marked_rows(analysis)
        ]
    )


def _marked_rows(analysis: Analysis) -> Iterator[tuple[dict[str, Any], list[str]]]:
    """The row of each utterance with its overlap, and its doubtful words."""
    for item in analysis.predictions:
        marks = analysis.marks.get(item.id, Marks())
        words = [item.text[start:end] for start, end in marks.doubtful]
        yield asdict(item) | {"overlap": marks.overlap}, words


def as_json_lines(predictions: Sequence[UtterancePrediction]) -> str:
    """One JSON object per utterance, one per line."""
    return "".join(json.dumps(asdict(item), ensure_ascii=False) + "\n" for item in predictions)


def as_csv(predictions: Sequence[UtterancePrediction]) -> str:
    """One row per utterance, with columns such as ``probabilities.joy`` and ``weights.text``."""
    return _as_table([flatten_row(asdict(item)) for item in predictions])


def _as_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows of equal columns as CSV."""
    return format_csv(list(rows[0]) if rows else [], rows)


def as_text(predictions: Sequence[UtterancePrediction]) -> str:
    """Two lines per utterance: its words, and the emotion with the reasons."""
    lines = []
    for number, item in enumerate(predictions):
        if number and item.conversation != predictions[number - 1].conversation:
            lines.append("")
        lines.append(f"{item.speaker}: {item.text}")
        lines.append(f"    {item.label.upper()}  {_summarise_reasons(item)}")
    return "\n".join(lines) + "\n"


def _summarise_reasons(item: UtterancePrediction) -> str:
    """The probability, the second most probable emotion, and the points due to each part."""
    ranked = sorted(item.probabilities.items(), key=lambda pair: -pair[1])
    parts = [f"{ranked[0][1]:.0%} sure", f"else {ranked[1][0]} {ranked[1][1]:.0%}"]
    effects_by_part = [*item.effects.items(), ("context", item.context_effect)]
    effects = [f"{name} {round(100 * e):+d}" for name, e in effects_by_part if e is not None]
    if effects:
        parts.append("points due to " + ", ".join(effects))
    return "; ".join(parts)
