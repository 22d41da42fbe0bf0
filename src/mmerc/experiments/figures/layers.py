"""Figures of DQ-Former's confidences."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
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


def draw_layer_confidence(rows: Rows, tau: float) -> Drawn:
    """Boxes of every layer's confidence (DQ-Former, Figure 3)."""
    names = list(dict.fromkeys(row["modality"] for row in rows))
    figure, axes = new_figure(6.8, 3.2, columns=len(names), sharey=True)
    with looks():
        for axis, name in zip(axes, names, strict=True):
            own = [row for row in rows if row["modality"] == name]
            boxes = [
                {"whislo": r["lowest"], "q1": r["lower"], "med": r["median"], "q3": r["upper"],
                 "whishi": r["highest"]}
                for r in own
            ]  # fmt: skip
            axis.bxp(
                boxes, positions=[row["layer"] for row in own], showfliers=False, patch_artist=True,
                widths=0.5, boxprops={"facecolor": MODALITY_COLOURS[name], "alpha": 0.5},
                medianprops={"color": "#000000"},
            )  # fmt: skip
            mark_threshold(axis, tau, vertical=False)
            axis.set_title(name)
            axis.set_xlabel("fusion layer")
        axes[0].set_ylabel("confidence")
    says = "Confidence of each modality in every fusion layer: quartiles, 5 and 95 %."
    return Drawn(
        name="layer-confidence", title="Confidence by layer", says=says, figure=figure, rows=rows
    )


def draw_dominance(rows: Rows, tau: float) -> Drawn:
    """Density of the acoustic confidence by kind (DQ-Former, Figure 4)."""
    figure, (axis,) = new_figure(6.0, 3.2)
    at = np.linspace(0, 1, 201)
    with looks():
        for place, kind in enumerate(dict.fromkeys(row["kind"] for row in rows)):
            values = np.array(column([row for row in rows if row["kind"] == kind], "confidence"))
            look: dict[str, Any] = {"color": COLOURS[place], "linestyle": LINES[place]}
            label = f"{kind} ({len(values)})"
            if len(values) > 2 and np.ptp(values) > 0:
                axis.plot(at, gaussian_kde(values)(at) * len(values) / 100, label=label, **look)
            else:
                axis.plot([], [], label=label, **look)
            axis.plot(values, np.full(len(values), -0.02 * (place + 1)), "|", color=COLOURS[place],
                      transform=axis.get_xaxis_transform(), clip_on=False, ms=4)  # fmt: skip
        mark_threshold(axis, tau, vertical=True)
        axis.set_xlabel("confidence of audio in the last fusion layer but one", labelpad=8)
        axis.set_ylabel("utterances in a hundredth")
    legend_below(figure, axis)
    says = "Density of the acoustic confidence, a stroke an utterance; dotted: the threshold."
    return Drawn(name="dominance", title="By kind", says=says, figure=figure, rows=rows)


def draw_cases(rows: Rows, tau: float) -> Drawn:
    """Confidence by layer of four utterances (DQ-Former, Figure 5)."""
    panels = list(dict.fromkeys((row["kind"], row["case"]) for row in rows))
    count = max(1, len(panels))
    figure, axes = new_figure(2.4 * count, 3.0, columns=count, sharey=True)
    with looks():
        for axis, (kind, case) in zip(axes, panels, strict=False):
            own = [row for row in rows if (row["kind"], row["case"]) == (kind, case)]
            names = list(dict.fromkeys(row["modality"] for row in own))
            for place, name in enumerate(names):
                layers = [row for row in own if row["modality"] == name]
                at = np.array(column(layers, "layer")) + 0.4 * (place - (len(names) - 1) / 2)
                axis.bar(
                    at,
                    column(layers, "confidence"),
                    0.36,
                    label=name,
                    color=MODALITY_COLOURS[name],
                    hatch="//" * place,
                    edgecolor="#ffffff",
                )
            says = ", ".join(
                f"{n}: {next(r['alone'] for r in own if r['modality'] == n)}" for n in names
            )
            axis.set_title(f"{kind}\ngold: {own[0]['gold']}\n{says}", fontsize=7)
            axis.set_xticks(sorted({row["layer"] for row in own}))
            axis.set_xlabel("fusion layer")
            mark_threshold(axis, tau, vertical=False)
        axes[0].set_ylabel("confidence")
    legend_below(figure, axes[0])
    says = "Confidence of each modality by layer; above, gold label and what each head names."
    return Drawn(name="cases", title="Cases", says=says, figure=figure, rows=rows)


def mark_threshold(axis: Axes, tau: float, *, vertical: bool) -> None:
    """The confidence below which a modality is masked."""
    if tau > 0:
        (axis.axvline if vertical else axis.axhline)(tau, color=SOFT, linestyle=":", linewidth=1)
