"""Figures over groups of utterances: similarity, weights, consistency, and a setting's trend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from mmerc.conversation import MODALITIES
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.analyses import Rows
from mmerc.experiments.figures.style import (
    COLOURS,
    LINES,
    METRIC_NAMES,
    MODALITY_COLOURS,
    MODALITY_MARKERS,
    Drawn,
    capital,
    legend_below,
    looks,
    new_figure,
    styled,
)
from mmerc.experiments.scores import Ours, ScoredRow

Panels = Sequence[tuple[str, str]]  # column and label of each


def lines_of(rows: Rows) -> dict[str, Rows]:
    """Rows by their line."""
    names = list(dict.fromkeys(str(row["row"]) for row in rows))
    return {name: [row for row in rows if row["row"] == name] for name in names}


def column(rows: Rows, key: str) -> list[float]:
    """A column's numbers, NaN where there is none."""
    return [float("nan") if row.get(key) is None else float(row[key]) for row in rows]


def draw_similarity(rows: Rows, metric: Metric) -> Drawn:
    """Psi and score by fifths of psi (DF-ERC, Figure 6)."""
    figure, axes = new_figure(7.2, 3.2, columns=2)
    panels = (("similarity", "similarity psi"), (metric, f"{METRIC_NAMES[metric]} (%)"))
    draw_panels(axes, rows, panels, "similarity percentile")
    legend_below(figure, axes[0])
    says = "Similarity of the modalities and score, by five groups of similarity."
    return Drawn(name="similarity", title="By similarity", says=says, figure=figure, rows=rows)


def draw_consistency(rows: Rows, metric: Metric) -> Drawn:
    """Score over the rank of psi (DF-ERC, Figure 8)."""
    figure, axes = new_figure(6.4, 3.4)
    draw_panels(axes, rows, ((metric, f"{METRIC_NAMES[metric]} (%)"),), "rank of similarity")
    legend_below(figure, axes[0])
    says = "Score by ten groups of the baseline's similarity."
    return Drawn(name="consistency", title="By rank", says=says, figure=figure, rows=rows)


def draw_panels(axes: Sequence[Axes], rows: Rows, panels: Panels, label: str) -> None:
    """A panel a column, a line a row, bars for the deviation over seeds."""
    with looks():
        for axis, (key, name) in zip(axes, panels, strict=True):
            for place, (row, points) in enumerate(lines_of(rows).items()):
                groups = [str(point["group"]) for point in points]
                axis.errorbar(
                    groups, column(points, key), column(points, f"{key} deviation"),
                    label=row, capsize=2, **styled(place),
                )  # fmt: skip
            axis.set_xlabel(label)
            axis.set_ylabel(name)
            if len(axis.get_xticks()) > 5:
                axis.set_xticks(axis.get_xticks(), groups, rotation=30, ha="right")


def draw_weights(rows: Rows, metric: Metric) -> Drawn:
    """Weights and score by quarters of cross-entropy (DF-ERC, Figure 7)."""
    figure, axes = new_figure(7.2, 3.4, columns=2)
    label = "cross-entropy percentile"
    with looks():
        for place, (row, points) in enumerate(lines_of(rows).items()):
            groups = [str(point["group"]) for point in points]
            for m in (m for m in MODALITIES if f"weight {m}" in points[0]):
                axes[0].plot(
                    groups, column(points, f"weight {m}"), label=f"{row}, {m}",
                    color=MODALITY_COLOURS[m], marker=MODALITY_MARKERS[m], markersize=5,
                    linestyle=LINES[place % len(LINES)], mfc="white" if place else None,
                )  # fmt: skip
        axes[0].set_ylabel("mean weight")
        axes[0].set_xlabel(label)
    draw_panels(axes[1:], rows, ((metric, f"{METRIC_NAMES[metric]} (%)"),), label)
    with looks():
        axes[1].legend()
    legend_below(figure, axes[0], columns=3)
    says = "Mean weight of each modality and score, by four groups of cross-entropy."
    return Drawn(name="weights", title="By cross-entropy", says=says, figure=figure, rows=rows)


def draw_trend(scored: Sequence[ScoredRow], metric: Metric, name: str) -> Drawn:
    """Score over a setting's value, with intervals; the paper's where it has one."""
    figure, (axis,) = new_figure(6.0, 3.4)
    rows = [trend_row(row, row.ours, metric, name) for row in scored if row.ours is not None]
    at = column(rows, name)
    with looks():
        axis.fill_between(
            at, column(rows, "low"), column(rows, "high"), color=COLOURS[0], alpha=0.15,
            linewidth=0, label="95 % interval over conversations",
        )  # fmt: skip
        axis.errorbar(
            at, column(rows, "mean"), column(rows, "deviation"), capsize=2,
            label="ours, deviation over seeds", **styled(0),
        )  # fmt: skip
        if any(row["paper"] is not None for row in rows):
            axis.plot(at, column(rows, "paper"), "D", color=COLOURS[1], mfc="white", label="paper")
        axis.set_xlabel(name)
        axis.set_ylabel(f"{METRIC_NAMES[metric]} (%)")
    legend_below(figure, axis, columns=3)
    says = f"{capital(METRIC_NAMES[metric])} over {name}."
    return Drawn(name="trend", title=f"Over {name}", says=says, figure=figure, rows=rows)


def trend_row(row: ScoredRow, ours: Ours, metric: Metric, name: str) -> dict[str, Any]:
    """A point of the line; the row's name is the setting's value."""
    low, high = ours.interval or (None, None)
    paper = getattr(row.paper, metric, None)
    return {
        name: float(row.row.name), "mean": ours.mean, "deviation": ours.std, "low": low,
        "high": high, "paper": paper,
    }  # fmt: skip
