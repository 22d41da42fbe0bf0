"""Plot the score over the strength of a disturbance, a panel per modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from mmerc.conversation import MODALITIES, Modality
from mmerc.evaluation.metrics import Metric
from mmerc.experiments.plots.style import (
    METRIC_NAMES,
    SOFT,
    Plot,
    Records,
    column,
    legend_below,
    line_style,
    new_figure,
    records_by_row,
)
from mmerc.experiments.robustness.robustness_scores import RobustnessScore

_UNDISTURBED = "none"  # the undisturbed run's tick
_MASKS = ("zeroed", "absent")
_SPREAD = 0.3  # width of side-by-side runs, relative to the distance of ticks
_LABELS: dict[Modality, str] = {
    "text": "words dropped", "audio": "signal to noise", "video": "frames lost",
}  # fmt: skip


def plot_robustness(scores: Sequence[RobustnessScore], metric: Metric) -> Plot:
    """Draw a line per run over increasing strength; scores without the modality are separate."""
    records = [record for m in MODALITIES for record in _panel_records(scores, m)]
    modalities = [m for m in MODALITIES if any(r["modality"] == m for r in records)]
    runs = list(dict.fromkeys(score.run for score in scores))
    width = 2.5 * max(2, len(modalities))
    figure, axes = new_figure(width, 3.3, columns=len(modalities), sharey=True)
    for axis, modality in zip(axes, modalities, strict=True):
        _draw_panel(axis, [r for r in records if r["modality"] == modality], runs)
        axis.set_title(modality)
        axis.set_xlabel(_LABELS[modality])
    axes[0].set_ylabel(f"{METRIC_NAMES[metric]} (%)")
    axes[0].set_ylim(bottom=max(0.0, axes[0].get_ylim()[0]))
    for index, run in enumerate(runs):
        axes[0].plot([], [], label=run, **line_style(index))
    legend_below(figure, axes[0])
    caption = (
        f"{METRIC_NAMES[metric]} by strength of disturbance, bars for the deviation over seeds; at "
        "the right the modality's input is 0, or the modality is declared absent."
    )
    return Plot(
        name="robustness", title="By strength", caption=caption, figure=figure, records=records
    )


def _panel_records(scores: Sequence[RobustnessScore], modality: Modality) -> Records:
    """Return a panel's points, undisturbed first, for runs that read the modality."""
    selected = [
        s for s in scores if s.disturbance is not None and s.disturbance.modality == modality
    ]
    runs = {score.run for score in selected}
    undisturbed = [score for score in scores if score.disturbance is None and score.run in runs]
    return [
        {
            "row": score.run,
            "modality": modality,
            "at": _UNDISTURBED if score.disturbance is None else score.disturbance.amount,
            "mean": score.mean,
            "deviation": score.deviation,
        }
        for score in (*undisturbed, *selected)
    ]


def _draw_panel(axis: Axes, records: Records, runs: Sequence[str]) -> None:
    ticks = list(dict.fromkeys(str(record["at"]) for record in records))
    graded = [tick for tick in ticks if tick not in _MASKS]
    for run, run_records in records_by_row(records).items():
        index = runs.index(run)
        offset = _SPREAD * (index - (len(runs) - 1) / 2) / max(1, len(runs) - 1)
        x = {tick: number + offset for number, tick in enumerate(ticks)}
        style = line_style(index)
        _draw_points(axis, [r for r in run_records if r["at"] in graded], x, style)
        masked = [r for r in run_records if r["at"] in _MASKS]
        _draw_points(axis, masked, x, {**style, "linestyle": "none"})
    axis.axvline(len(graded) - 0.5, color=SOFT, linewidth=0.8, linestyle=":")
    axis.set_xticks(range(len(ticks)), ticks, rotation=40, ha="right")


def _draw_points(
    axis: Axes, records: Records, x: Mapping[str, float], style: dict[str, Any]
) -> None:
    """Draw points with bars for the deviation over seeds."""
    positions = [x[str(record["at"])] for record in records]
    axis.errorbar(
        positions, column(records, "mean"), column(records, "deviation"), capsize=2, **style
    )
