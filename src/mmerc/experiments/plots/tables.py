"""Plots of a table: scores, differences from the baseline, and the trend over a setting."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes

from mmerc.evaluation.metrics import Metric
from mmerc.experiments.plots.style import (
    COLOURS,
    METRIC_NAMES,
    SOFT,
    Plot,
    column,
    legend_below,
    line_style,
    new_figure,
)
from mmerc.experiments.reproduction.results import RowScores, ScoredRow, TargetResults

_OURS, _PAPERS = COLOURS[0], COLOURS[1]


def scores(results: TargetResults) -> Plot:
    """Draw every row's score with its interval, next to the paper's."""
    metric = METRIC_NAMES[results.metric]
    figure, (axis,) = new_figure(6.4, 1.2 + 0.28 * len(results.scored))
    for place, row in enumerate(results.scored):
        _mark_paper(axis, getattr(row.paper, results.metric, None), place)
        if row.ours is not None:
            bounds = row.ours.interval or (row.ours.mean, row.ours.mean)
            _mark_ours(axis, row.ours.mean, bounds, place)
    _label_rows(axis, results.scored, f"{metric} (%)", results)
    legend_below(figure, axis)
    return Plot(
        name="scores",
        title="Ours and the paper's scores",
        caption=f"{_capitalised(metric)} of every row, ours and the paper's.",
        figure=figure,
        records=score_records(results),
    )


def differences(results: TargetResults) -> Plot:
    """Draw every row minus the baseline, ours with its interval, next to the paper's."""
    metric, baseline = METRIC_NAMES[results.metric], results.target.baseline
    compared = tuple(
        row
        for row in results.scored
        if row.difference is not None or row.paper_difference is not None
    )
    figure, (axis,) = new_figure(6.4, 1.2 + 0.3 * max(1, len(compared)))
    axis.axvline(0, color=SOFT, linewidth=1)
    for place, row in enumerate(compared):
        _mark_paper(axis, row.paper_difference, place)
        if row.versus is not None:
            bootstrap = row.versus.bootstrap
            _mark_ours(axis, bootstrap.difference, (bootstrap.low, bootstrap.high), place)
    _label_rows(axis, compared, f"{metric}, difference from {baseline} (points)", results)
    legend_below(figure, axis)
    return Plot(
        name="differences",
        title="Ours and the paper's differences",
        caption=f"Difference of every row from {baseline}, ours and the paper's.",
        figure=figure,
        records=score_records(results),
    )


def _mark_paper(axis: Axes, value: float | None, place: int) -> None:
    """Mark the paper's number, a little below the row's middle."""
    if value is not None:
        axis.plot(value, place + 0.14, "D", color=_PAPERS, markersize=4, mfc="white")


def _mark_ours(axis: Axes, value: float, bounds: tuple[float, float], place: int) -> None:
    """Mark our number with its interval, a little above the row's middle."""
    axis.plot(bounds, [place - 0.14] * 2, color=_OURS)
    axis.plot(value, place - 0.14, "o", color=_OURS, markersize=5)


def _label_rows(
    axis: Axes, rows: tuple[ScoredRow, ...], label: str, results: TargetResults
) -> None:
    """Put the rows' names on the left, the first on top, and explain the marks."""
    axis.set_yticks(range(len(rows)), [row.row.name for row in rows])
    axis.set_ylim(max(1, len(rows)) - 0.5, -0.5)
    axis.set_xlabel(label)
    axis.grid(axis="y", visible=False)
    axis.plot([], [], "o-", color=_OURS, label="ours, 95 % interval over conversations")
    corpus = results.reference.compare.upper()
    axis.plot([], [], "D", color=_PAPERS, mfc="white", label=f"paper, {corpus}", linestyle="none")


def score_records(results: TargetResults) -> list[dict[str, object]]:
    """Return the table as records."""
    records: list[dict[str, object]] = []
    for row in results.scored:
        ours, versus = row.ours, row.versus
        bounds = (None, None) if ours is None or ours.interval is None else ours.interval
        records.append(
            {
                "row": row.row.name,
                "metric": results.metric,
                "paper": getattr(row.paper, results.metric, None),
                "mean": None if ours is None else ours.mean,
                "deviation": None if ours is None else ours.std,
                "low": bounds[0],
                "high": bounds[1],
                "seeds": None if ours is None else ours.seeds,
                "paper_difference": row.paper_difference,
                "difference": row.difference,
                "difference_low": None if versus is None else versus.bootstrap.low,
                "difference_high": None if versus is None else versus.bootstrap.high,
                "bootstrap_p": None if versus is None else versus.bootstrap.p_value,
                "holm_p": None if versus is None else versus.adjusted,
                "seeds_t_p": None if versus is None else versus.seeds.t_p_value,
                "same_sign": row.same_sign,
            }
        )
    return records


def trend(results: TargetResults) -> Plot:
    """Draw the score over a setting's value, with the paper's if known (DF-ERC, Figure 9)."""
    setting, metric = results.target.axis, results.metric
    records = [
        _trend_record(row, row.ours, metric, setting)
        for row in results.scored
        if row.ours is not None
    ]
    figure, (axis,) = new_figure(6.0, 3.4)
    x = column(records, setting)
    axis.fill_between(
        x, column(records, "low"), column(records, "high"), color=COLOURS[0], alpha=0.15,
        linewidth=0, label="95 % interval over conversations",
    )  # fmt: skip
    axis.errorbar(
        x, column(records, "mean"), column(records, "deviation"), capsize=2,
        label="ours, deviation over seeds", **line_style(0),
    )  # fmt: skip
    if any(record["paper"] is not None for record in records):
        axis.plot(x, column(records, "paper"), "D", color=COLOURS[1], mfc="white", label="paper")
    axis.set_xlabel(setting)
    axis.set_ylabel(f"{METRIC_NAMES[metric]} (%)")
    legend_below(figure, axis, columns=3)
    caption = f"{_capitalised(METRIC_NAMES[metric])} over {setting}."
    return Plot(
        name="trend", title=f"Over {setting}", caption=caption, figure=figure, records=records
    )


def _trend_record(row: ScoredRow, ours: RowScores, metric: Metric, setting: str) -> dict[str, Any]:
    """Return a point of the line; the row's name is the setting's value."""
    low, high = ours.interval or (None, None)
    paper = getattr(row.paper, metric, None)
    return {
        setting: float(row.row.name), "mean": ours.mean, "deviation": ours.std, "low": low,
        "high": high, "paper": paper,
    }  # fmt: skip


def _capitalised(text: str) -> str:
    return text[:1].upper() + text[1:]
