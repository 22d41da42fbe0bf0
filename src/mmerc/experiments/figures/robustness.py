"""Score over the strength of a disturbance, a panel a modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from mmerc.conversation import MODALITIES, Modality
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.analyses import Rows
from mmerc.experiments.figures.groups import column, lines_of
from mmerc.experiments.figures.style import (
    METRIC_NAMES,
    SOFT,
    Drawn,
    legend_below,
    looks,
    new_figure,
    styled,
)
from mmerc.experiments.robustness.measuring import Row

NOTHING = "none"  # the undisturbed run's place on the axis
MASKS = ("zeroed", "absent")
BESIDE = 0.3  # of the step between two places: runs stand side by side
LABELS: dict[Modality, str] = {
    "text": "words dropped", "audio": "signal to noise", "video": "frames lost",
}  # fmt: skip


def draw_robustness(rows: Sequence[Row], metric: Metric) -> Drawn:
    """A line a run over growing strength; behind it, apart, what is left without the modality."""
    data = [point for m in MODALITIES for point in points_of(rows, m)]
    shown = [m for m in MODALITIES if any(point["modality"] == m for point in data)]
    runs = list(dict.fromkeys(row.run for row in rows))
    figure, axes = new_figure(2.5 * max(2, len(shown)), 3.3, columns=len(shown), sharey=True)
    with looks():
        for axis, modality in zip(axes, shown, strict=True):
            draw_panel(axis, [p for p in data if p["modality"] == modality], runs)
            axis.set_title(modality)
            axis.set_xlabel(LABELS[modality])
        axes[0].set_ylabel(f"{METRIC_NAMES[metric]} (%)")
        axes[0].set_ylim(bottom=max(0.0, axes[0].get_ylim()[0]))
        for place, run in enumerate(runs):
            axes[0].plot([], [], label=run, **styled(place))
        legend_below(figure, axes[0])
    says = (
        f"{METRIC_NAMES[metric]} by strength of disturbance, bars for the deviation over seeds; at "
        "the right the modality's input is 0, or the modality is declared absent."
    )
    return Drawn(name="robustness", title="By strength", says=says, figure=figure, rows=data)


def points_of(rows: Sequence[Row], modality: Modality) -> Rows:
    """Points of a panel, the undisturbed run's among them, for the runs that read the modality."""
    own = [r for r in rows if r.disturbance is not None and r.disturbance.modality == modality]
    read = {row.run for row in own}
    undisturbed = [row for row in rows if row.disturbance is None and row.run in read]
    return [
        {
            "row": row.run,
            "modality": modality,
            "at": NOTHING if row.disturbance is None else row.disturbance.amount,
            "mean": row.mean,
            "deviation": row.deviation,
        }
        for row in (*undisturbed, *own)
    ]


def draw_panel(axis: Axes, points: Rows, runs: Sequence[str]) -> None:
    """The panel of one modality."""
    places = list(dict.fromkeys(str(point["at"]) for point in points))
    graded = [place for place in places if place not in MASKS]
    for run, own in lines_of(points).items():
        place = runs.index(run)
        aside = BESIDE * (place - (len(runs) - 1) / 2) / max(1, len(runs) - 1)
        at = {name: number + aside for number, name in enumerate(places)}
        look = styled(place)
        draw_points(axis, [p for p in own if p["at"] in graded], at, look)
        masked = [p for p in own if p["at"] in MASKS]
        draw_points(axis, masked, at, {**look, "linestyle": "none"})
    axis.axvline(len(graded) - 0.5, color=SOFT, linewidth=0.8, linestyle=":")
    axis.set_xticks(range(len(places)), places, rotation=40, ha="right")


def draw_points(axis: Axes, points: Rows, at: Mapping[str, float], look: dict[str, Any]) -> None:
    """Points at their places, with bars for the deviation over seeds."""
    across = [at[str(point["at"])] for point in points]
    axis.errorbar(across, column(points, "mean"), column(points, "deviation"), capsize=2, **look)
