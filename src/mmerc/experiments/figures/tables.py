"""Figures of a table: scores, and differences from its baseline."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from mmerc.experiments.figures.style import (
    COLOURS,
    METRIC_NAMES,
    SOFT,
    Drawn,
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
            paper = getattr(row.paper, metric, None)
            if paper is not None:
                axis.plot(paper, place + 0.14, "D", color=PAPERS, markersize=4, mfc="white")
            if row.ours is not None:
                low, high = row.ours.interval or (row.ours.mean, row.ours.mean)
                axis.plot([low, high], [place - 0.14] * 2, color=OURS)
                axis.plot(row.ours.mean, place - 0.14, "o", color=OURS, markersize=5)
        finish(axis, scored, f"{METRIC_NAMES[metric]} (%)", plan)
    says = f"{METRIC_NAMES[metric]} of every row, ours with its interval and the paper's."
    return Drawn(
        name="scores",
        title="Ours and the paper's scores",
        says=says,
        figure=figure,
        rows=score_data(plan, scored),
    )


def draw_differences(plan: Plan, scored: Sequence[ScoredRow]) -> Drawn:
    """Every row less the baseline, ours with its interval, the paper's beside it."""
    shown = [row for row in scored if row.row.name != plan.target.baseline]
    shown = [row for row in shown if row.drop is not None or row.paper_drop is not None]
    figure, (axis,) = new_figure(6.4, 1.2 + 0.3 * max(1, len(shown)))
    with looks():
        axis.axvline(0, color=SOFT, linewidth=1)
        for place, row in enumerate(shown):
            if row.paper_drop is not None:
                axis.plot(
                    row.paper_drop, place + 0.14, "D", color=PAPERS, markersize=4, mfc="white"
                )
            if row.ours is not None and row.ours.versus is not None:
                found = row.ours.versus.bootstrap
                axis.plot([found.low, found.high], [place - 0.14] * 2, color=OURS)
                axis.plot(found.difference, place - 0.14, "o", color=OURS, markersize=5)
        label = (
            f"{METRIC_NAMES[plan.target.metric]}, difference from {plan.target.baseline} (points)"
        )
        finish(axis, shown, label, plan)
    says = f"Difference of every row from {plan.target.baseline}, ours and the paper's."
    return Drawn(
        name="differences",
        title="Ours and the paper's differences",
        says=says,
        figure=figure,
        rows=score_data(plan, scored),
    )


def finish(axis: Axes, rows: Sequence[ScoredRow], label: str, plan: Plan) -> None:
    """Names on the left, the first row on top, and what the marks mean."""
    axis.set_yticks(range(len(rows)), [row.row.name for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel(label)
    axis.grid(axis="y", visible=False)
    axis.plot([], [], "o-", color=OURS, label="ours, 95 % interval over conversations")
    name = plan.comparison.compare.upper()
    axis.plot([], [], "D", color=PAPERS, mfc="white", label=f"paper, {name}", linestyle="none")
    axis.figure.legend(loc="outside lower center", ncols=2)


def score_data(plan: Plan, scored: Sequence[ScoredRow]) -> list[dict[str, object]]:
    """The table as CSV."""
    rows: list[dict[str, object]] = []
    for row in scored:
        ours, versus = row.ours, None if row.ours is None else row.ours.versus
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
                "paper_drop": row.paper_drop,
                "drop": row.drop,
                "drop_low": None if versus is None else versus.bootstrap.low,
                "drop_high": None if versus is None else versus.bootstrap.high,
                "bootstrap_p": None if versus is None else versus.bootstrap.p_value,
                "holm_p": None if versus is None else versus.adjusted,
                "seeds_t_p": None if versus is None else versus.seeds.t_p_value,
                "same_sign": row.same_sign,
            }
        )
    return rows
