"""Result formats: the list shared by commands, service and pages."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmerc.inference.analysis import Analysis
from mmerc.inference.exports.captions import as_webvtt
from mmerc.inference.exports.elan import as_eaf
from mmerc.inference.exports.praat import as_textgrid
from mmerc.inference.exports.utterance_rows import (
    analysis_as_csv,
    analysis_as_json_lines,
    as_csv,
    as_json_lines,
    as_text,
)
from mmerc.inference.page.render import render_page
from mmerc.prediction.utterance_prediction import UtterancePrediction


@dataclass(frozen=True, slots=True, kw_only=True)
class _ResultFormat:
    """A file format; its ``name`` is also the file ending.

    ``write`` formats an analysis as text; ``write_predictions`` formats predictions without a
    recording (None if the format needs times or the recording).
    """

    name: str
    media_type: str
    description: str
    write: Callable[[Analysis], str]
    write_predictions: Callable[[Sequence[UtterancePrediction]], str] | None = None


_PAGE = _ResultFormat(
    name="html", media_type="text/html; charset=utf-8", description="Page", write=render_page
)
_JSON_LINES = _ResultFormat(
    name="jsonl",
    media_type="application/jsonl",
    description="JSON Lines",
    write=analysis_as_json_lines,
    write_predictions=as_json_lines,
)
_CSV = _ResultFormat(
    name="csv",
    media_type="text/csv; charset=utf-8",
    description="CSV (table)",
    write=analysis_as_csv,
    write_predictions=as_csv,
)
_WEBVTT = _ResultFormat(
    name="vtt",
    media_type="text/vtt; charset=utf-8",
    description="WebVTT (captions)",
    write=as_webvtt,
)
_EAF = _ResultFormat(name="eaf", media_type="application/xml", description="ELAN", write=as_eaf)
_TEXTGRID = _ResultFormat(
    name="TextGrid",
    media_type="text/plain; charset=utf-8",
    description="Praat",
    write=as_textgrid,
)
_TEXT = _ResultFormat(
    name="text",
    media_type="text/plain; charset=utf-8",
    description="Text to read",
    write=lambda analysis: as_text(analysis.predictions),
    write_predictions=as_text,
)

ANALYSIS_FORMATS = {f.name: f for f in (_PAGE, _JSON_LINES, _CSV, _WEBVTT, _EAF, _TEXTGRID)}
"""Output formats of an analysis, in order."""

PREDICTION_FORMATS = {
    f.name: f.write_predictions for f in (_JSON_LINES, _CSV, _TEXT) if f.write_predictions
}
"""Writers of predictions without a recording."""
