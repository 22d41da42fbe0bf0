"""Figures of what happens inside: contribution's error, both levels' vectors, heat maps."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES
from mmerc.experiments.analyses import Rows
from mmerc.experiments.analyses_inside import MEAN
from mmerc.experiments.figures.groups import column
from mmerc.experiments.figures.style import (
    COLOURS,
    MODALITY_COLOURS,
    MODALITY_MARKERS,
    Drawn,
    legend_below,
    looks,
    new_figure,
)

FEWEST = 20  # utterances in a bin whose accuracy is drawn


def draw_contribution_error(rows: Rows) -> Drawn:
    """Share and accuracy by the error of the estimated contribution (DF-ERC, Figure 11)."""
    names = [name for name in (*MODALITIES, MEAN) if any(r["modality"] == name for r in rows)]
    figure, axes = new_figure(1.9 * len(names), 4.0, 2, len(names), sharex=True, sharey="row")
    upper, lower = axes[: len(names)], axes[len(names) :]
    with looks():
        for name, shares, accuracies in zip(names, upper, lower, strict=True):
            own = [row for row in rows if row["modality"] == name]
            full = [row for row in own if row["utterances"] >= FEWEST]
            colour = MODALITY_COLOURS.get(name, COLOURS[-1])
            shares.bar(middles(own), column(own, "share"), 0.045, color=colour)
            shares.set_title(name)
            at = middles(full)
            accuracies.plot(at, column(full, "accuracy"), "o-", color=colour, markersize=4)
            accuracies.set_xlabel("(TCP − w)²")
        upper[0].set_ylabel("share (%)")
        lower[0].set_ylabel("accuracy (%)")
    says = "Share of utterances and accuracy by the error of the estimated contribution."
    return Drawn(name="contribution-error", title="By error", says=says, figure=figure, rows=rows)


def middles(rows: Rows) -> list[float]:
    """Middle of every bin."""
    return [(row["from"] + row["to"]) / 2 for row in rows]


def draw_projection(rows: Rows) -> Drawn:
    """Both levels' vectors in the plane (DF-ERC, Figure 10)."""
    panels = list(dict.fromkeys((str(row["row"]), str(row["level"])) for row in rows))
    height = math.ceil(len(panels) / 2)
    figure, axes = new_figure(6.8, 3.3 * height, height, 2)
    with looks():
        for axis, (name, level) in zip(axes, panels, strict=True):
            own = [row for row in rows if (row["row"], row["level"]) == (name, level)]
            for m in MODALITIES:
                points = [row for row in own if row["modality"] == m]
                axis.scatter(
                    column(points, "x"), column(points, "y"), s=9, alpha=0.7, linewidths=0,
                    color=MODALITY_COLOURS[m], marker=MODALITY_MARKERS[m], label=m,
                )  # fmt: skip
            axis.set_title(f"{name}, {level} level, silhouette {own[0]['silhouette']:.2f}")
            axis.set_xticks([])
            axis.set_yticks([])
    legend_below(figure, axes[0], marker_scale=2.0)
    says = "t-SNE of the vectors of both levels, a point an utterance and modality."
    return Drawn(name="projection", title="Vectors", says=says, figure=figure, rows=rows)


def draw_heat_maps(rows: Rows) -> Drawn:
    """Features of one utterance on their way through MultiEMO (its Figure 6), a row a modality."""
    names = list(dict.fromkeys(str(row["features"]) for row in rows))
    steps = list(dict.fromkeys(name.partition("_")[0] for name in names))
    there: list[str] = [m for m in MODALITIES if any(name.endswith(f"_{m}") for name in names)]
    figure, axes = new_figure(1.9 * len(steps), 2.1 * len(there), len(there), len(steps))
    with looks():
        for axis in axes:
            axis.set_axis_off()
        for name in names:
            step, _, modality = name.partition("_")
            line = there.index(modality) if modality else (len(there) - 1) // 2
            axis = axes[line * len(steps) + steps.index(step)]
            values = np.array(column([row for row in rows if row["features"] == name], "value"))
            draw_square(axis, values)
            axis.set_title(f"{name.replace('_', ', ')} ({len(values)})", fontsize=8)
    says = (
        "Heat maps of one utterance's features, from each modality alone to all together; purple "
        "is above 0, orange below, the darkest the largest of each map."
    )
    return Drawn(name="heat-maps", title="Features", says=says, figure=figure, rows=rows)


def draw_square(axis: Axes, values: NDArray[np.float64]) -> None:
    """Numbers line by line in a square, as dark as they are large."""
    side = math.ceil(math.sqrt(len(values)))
    square = np.full(side * side, np.nan)
    square[: len(values)] = values
    most = float(np.nanmax(np.abs(square))) or 1.0
    axis.imshow(square.reshape(side, side), cmap="PuOr", vmin=-most, vmax=most)
