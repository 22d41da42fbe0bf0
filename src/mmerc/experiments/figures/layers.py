"""Figures of DQ-Former's confidences."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import gaussian_kde

from mmerc.experiments.analyses import Rows
from mmerc.experiments.figures.groups import column
from mmerc.experiments.figures.style import (
    COLOURS,
    LINES,
    MODALITY_COLOURS,
    SOFT,
    Drawn,
    legend_below,
    looks,
    new_figure,
)

# What matplotlib calls the marks of a box, and the columns that they are drawn from.
BOX = {
    "whislo": "lowest", "q1": "lower", "med": "median", "q3": "upper", "whishi": "highest",
}  # fmt: skip


def draw_layer_confidence(rows: Rows, tau: float) -> Drawn:
    """Boxes of every layer's confidence (DQ-Former, Figure 3)."""
    names = list(dict.fromkeys(row["modality"] for row in rows))
    figure, axes = new_figure(6.8, 3.2, columns=len(names), sharey=True)
    with looks():
        for axis, name in zip(axes, names, strict=True):
            own = [row for row in rows if row["modality"] == name]
            axis.bxp(
                [{mark: row[quantile] for mark, quantile in BOX.items()} for row in own],
                positions=[row["layer"] for row in own], showfliers=False, patch_artist=True,
                widths=0.5, boxprops={"facecolor": MODALITY_COLOURS[name], "alpha": 0.5},
                medianprops={"color": "#000000"},
            )  # fmt: skip
            mark_threshold(axis, tau, vertical=False)
            axis.set_title(name)
            axis.set_xlabel("fusion layer")
        axes[0].set_ylabel("confidence")
        axes[0].set_ylim(0, 1.02)
    says = (
        "Confidence of each modality in every fusion layer, utterances that have both: median, "
        "quartiles, 5 and 95 %; dotted: the threshold."
    )
    return Drawn(
        name="layer-confidence", title="Confidence by layer", says=says, figure=figure, rows=rows
    )


def draw_dominance(rows: Rows, tau: float) -> Drawn:
    """Density of the acoustic confidence by kind (DQ-Former, Figure 4)."""
    figure, (axis,) = new_figure(6.0, 3.2)
    with looks():
        for place, kind in enumerate(dict.fromkeys(row["kind"] for row in rows)):
            values = np.array(column([row for row in rows if row["kind"] == kind], "confidence"))
            look: dict[str, Any] = {"color": COLOURS[place], "linestyle": LINES[place]}
            axis.plot(*density(values), label=f"{kind} ({len(values)})", **look)
            axis.plot(values, np.full(len(values), -0.02 * (place + 1)), "|", color=COLOURS[place],
                      transform=axis.get_xaxis_transform(), clip_on=False, ms=4)  # fmt: skip
        mark_threshold(axis, tau, vertical=True)
        axis.set_xlabel("confidence of audio in the last fusion layer but one")
        axis.set_ylabel("utterances in a hundredth")
        axis.set_ylim(bottom=0)
        axis.tick_params(axis="x", pad=10)  # the strokes stand between
    legend_below(figure, axis)
    says = "Density of the acoustic confidence, a stroke an utterance; dotted: the threshold."
    return Drawn(name="dominance", title="By kind", says=says, figure=figure, rows=rows)


def density(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected utterances in each hundredth, at places from 0 to 1; nothing of fewer than three."""
    if len(values) < 3 or np.ptp(values) == 0:
        return np.zeros(0), np.zeros(0)
    at = np.linspace(0, 1, 1001)
    return at, gaussian_kde(values)(at) * len(values) / 100


def draw_cases(rows: Rows, tau: float) -> Drawn:
    """Confidence by layer of four utterances (DQ-Former, Figure 5)."""
    panels = list(dict.fromkeys((row["kind"], row["case"]) for row in rows))
    figure, axes = new_figure(2.4 * len(panels), 3.0, columns=len(panels), sharey=True)
    with looks():
        for axis, (kind, case) in zip(axes, panels, strict=True):
            draw_case(axis, [r for r in rows if (r["kind"], r["case"]) == (kind, case)])
            mark_threshold(axis, tau, vertical=False)
        axes[0].set_ylabel("confidence")
        axes[0].set_ylim(0, 1.02)
    legend_below(figure, axes[0])
    says = "Confidence of each modality by layer; above, gold label and what each head names."
    return Drawn(name="cases", title="Cases", says=says, figure=figure, rows=rows)


def draw_case(axis: Axes, rows: Rows) -> None:
    """Bars of each modality side by side, layer by layer."""
    names = list(dict.fromkeys(row["modality"] for row in rows))
    heads = []
    for place, name in enumerate(names):
        own = [row for row in rows if row["modality"] == name]
        heads.append(f"{name}: {own[0]['alone']}")
        at = np.array(column(own, "layer")) + 0.4 * (place - (len(names) - 1) / 2)
        axis.bar(
            at, column(own, "confidence"), 0.36, label=name, color=MODALITY_COLOURS[name],
            hatch="//" * place, edgecolor="#ffffff",
        )  # fmt: skip
    title = f"{rows[0]['kind']}\ngold: {rows[0]['gold']}\n{', '.join(heads)}"
    axis.set_title(title, fontsize=7)
    axis.set_xticks(sorted({row["layer"] for row in rows}))
    axis.set_xlabel("fusion layer")


def mark_threshold(axis: Axes, tau: float, *, vertical: bool) -> None:
    """The confidence below which a modality is masked."""
    if tau > 0:
        (axis.axvline if vertical else axis.axhline)(tau, color=SOFT, linestyle=":", linewidth=1)
