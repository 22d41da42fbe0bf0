"""Figures of a table: scores, and differences from its baseline."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from mmerc.experiments.figures.style import (
    COLOURS,
    METRIC_NAMES,
    SOFT,
    Drawn,
    capital,
    legend_below,
    looks,
    new_figure,
)
from mmerc.experiments.plan import Plan
from mmerc.experiments.scores import ScoredRow

OURS, PAPERS = COLOURS[0], COLOURS[1]


def draw_scores(plan: Plan, scored: Sequence[ScoredRow]) -> Drawn:
    """Every row's score with its interval, the paper's beside it."""
    metric = plan.target.metric
    figure, (axis,) = new_figure(6.4, 1.2 + 0.28 * len(scored))
    with looks():
        for place, row in enumerate(scored):
            mark_paper(axis, getattr(row.paper, metric, None), place)
            if row.ours is not None:
                bounds = row.ours.interval or (row.ours.mean, row.ours.mean)
                mark_ours(axis, row.ours.mean, bounds, place)
        finish(axis, scored, f"{METRIC_NAMES[metric]} (%)", plan)
    legend_below(figure, axis)
    return Drawn(
        name="scores",
        title="Ours and the paper's scores",
        says=f"{capital(METRIC_NAMES[metric])} of every row, ours and the paper's.",
        figure=figure,
        rows=score_data(plan, scored),
    )


def draw_differences(plan: Plan, scored: Sequence[ScoredRow]) -> Drawn:
    """Every row less the baseline, ours with its interval, the paper's beside it."""
    metric, baseline = METRIC_NAMES[plan.target.metric], plan.target.baseline
    shown = [
        row for row in scored if row.difference is not None or row.paper_difference is not None
    ]
    figure, (axis,) = new_figure(6.4, 1.2 + 0.3 * max(1, len(shown)))
    with looks():
        axis.axvline(0, color=SOFT, linewidth=1)
        for place, row in enumerate(shown):
            mark_paper(axis, row.paper_difference, place)
            if row.versus is not None:
                found = row.versus.bootstrap
                mark_ours(axis, found.difference, (found.low, found.high), place)
        finish(axis, shown, f"{metric}, difference from {baseline} (points)", plan)
    legend_below(figure, axis)
    return Drawn(
        name="differences",
        title="Ours and the paper's differences",
        says=f"Difference of every row from {baseline}, ours and the paper's.",
        figure=figure,
        rows=score_data(plan, scored),
    )


def mark_paper(axis: Axes, value: float | None, place: int) -> None:
    """The paper's number, a little below the row's middle."""
    if value is not None:
        axis.plot(value, place + 0.14, "D", color=PAPERS, markersize=4, mfc="white")


def mark_ours(axis: Axes, value: float, bounds: tuple[float, float], place: int) -> None:
    """Our number with its interval, a little above the row's middle."""
    axis.plot(bounds, [place - 0.14] * 2, color=OURS)
    axis.plot(value, place - 0.14, "o", color=OURS, markersize=5)


def finish(axis: Axes, rows: Sequence[ScoredRow], label: str, plan: Plan) -> None:
    """Names on the left, the first row on top, and what the marks mean."""
    axis.set_yticks(range(len(rows)), [row.row.name for row in rows])
    axis.set_ylim(len(rows) - 0.5, -0.5)
    axis.set_xlabel(label)
    axis.grid(axis="y", visible=False)
    axis.plot([], [], "o-", color=OURS, label="ours, 95 % interval over conversations")
    name = plan.comparison.compare.upper()
    axis.plot([], [], "D", color=PAPERS, mfc="white", label=f"paper, {name}", linestyle="none")


def score_data(plan: Plan, scored: Sequence[ScoredRow]) -> list[dict[str, object]]:
    """The table as CSV."""
    rows: list[dict[str, object]] = []
    for row in scored:
        ours, versus = row.ours, row.versus
        bounds = (None, None) if ours is None or ours.interval is None else ours.interval
        rows.append(
            {
                "row": row.row.name,
                "metric": plan.target.metric,
                "paper": getattr(row.paper, plan.target.metric, None),
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
    return rows
