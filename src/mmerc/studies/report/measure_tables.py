"""Tables of measures for the report: against chance, by condition, and as a heat map."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmerc.studies.measure_row import Measure
from mmerc.studies.report.figures import whisker

_ALPHA = 0.05
_STEPS = (0.01, 0.03, 0.08)  # thresholds of effects for stronger colours in the heat map


def measure_rows(measures: Sequence[Measure]) -> tuple[int, list[dict[str, Any]]]:
    """Return the scale's maximum in per cent, and rows of inertia and contagion against chance."""
    rows = [
        row
        for row in measures
        if row.measure in {"inertia", "contagion"}
        and row.value is not None
        and row.expected is not None
    ]
    ends = [value for row in rows for value in (row.value, row.value_high, row.expected_high)]
    highest = max((value for value in ends if value is not None), default=1.0)
    limit = min(1.0, -(-10 * highest // 1) / 10) or 0.1
    rendered = []
    for row in rows:
        band = None
        if row.expected_low is not None and row.expected_high is not None:
            band = row.expected_low, row.expected_high
        figure = whisker(row.value or 0.0, row.value_low, row.value_high, limit=limit, band=band)
        rendered.append(_numbers(row) | {"figure": figure})
    return round(100 * limit), rendered


def compared_rows(measures: Sequence[Measure]) -> list[dict[str, Any]]:
    """Return one table of comparisons for each pair of conditions."""
    compared = [row for row in measures if row.condition]
    pairs = dict.fromkeys((row.condition, row.reference) for row in compared)
    return [
        {
            "title": f"{condition} against {reference}",
            "condition": condition,
            "reference": reference,
            "rows": [
                _numbers(row)
                for row in compared
                if (row.condition, row.reference) == (condition, reference)
            ],
        }
        for condition, reference in pairs
    ]


def heat_cells(labels: Sequence[str], measures: Sequence[Measure]) -> list[list[dict[str, Any]]]:
    """Return transitions as rows of cells: per cent, colour by effect, and significance."""
    by_pair = {
        (row.emotion, row.next_emotion): row for row in measures if row.measure == "transition"
    }
    return [[_show_transition(by_pair.get((one, other))) for other in labels] for one in labels]


def _show_transition(row: Measure | None) -> dict[str, Any]:
    """Return the cell of one transition."""
    if row is None or row.value is None:
        return {"text": "-", "kind": "", "title": "does not occur", "sure": False}
    effect = row.effect or 0.0
    strength = sum(abs(effect) >= step for step in _STEPS)
    kind = f"{'more' if effect > 0 else 'less'}{strength}" if strength else ""
    sure = _is_significant(row)
    chance = "" if row.expected is None else f", by chance {100 * row.expected:.1f} %"
    return {
        "text": f"{100 * row.value:.0f}",
        "kind": f"{kind} sure".strip() if sure else kind,
        "title": f"{row.emotion}, then {row.next_emotion}: {100 * row.value:.1f} %{chance} "
        f"({row.count} pairs)",
        "sure": sure,
    }


def _numbers(row: Measure) -> dict[str, Any]:
    """Format the numbers of a row: per cent, or bits for entropy."""
    bits = row.measure == "entropy"
    interval = "-"
    if row.effect_low is not None and row.effect_high is not None:
        low, high = (_format(v, bits=bits, sign="+") for v in (row.effect_low, row.effect_high))
        interval = f"{low} to {high}"
    return {
        "name": f"{row.measure} {row.emotion}".strip(),
        "value": _format(row.value, bits=bits),
        "chance": _format(row.expected, bits=bits),
        "effect": _format(row.effect, bits=bits, sign="+"),
        "interval": interval,
        "p": "-" if row.p_holm is None else _format_p(row.p_holm),
        "sure": _is_significant(row),
    }


def _is_significant(row: Measure) -> bool:
    """Whether a difference is significant after correction for multiple tests."""
    return row.p_holm is not None and row.p_holm < _ALPHA


def _format(value: float | None, *, bits: bool, sign: str = "") -> str:
    """Format a number; avoids -0."""
    if value is None:
        return "-"
    number = round(value if bits else 100 * value, 2 if bits else 1) + 0.0
    return f"{number:{sign}.{2 if bits else 1}f}"


def _format_p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
