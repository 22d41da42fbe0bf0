"""Figures of what happens inside: contribution's error, both levels' vectors, heat maps."""

from __future__ import annotations

import math

import numpy as np

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
    with looks():
        for place, name in enumerate(names):
            own = [row for row in rows if row["modality"] == name]
            colour = MODALITY_COLOURS.get(name, COLOURS[-1])  # type: ignore[call-overload]
            middles = [(row["from"] + row["to"]) / 2 for row in own]
            axes[place].bar(middles, column(own, "share"), 0.045, color=colour)
            axes[place].set_title(name)
            full = [row for row in own if row["utterances"] >= FEWEST]
            at = [(row["from"] + row["to"]) / 2 for row in full]
            lower = axes[len(names) + place]
            lower.plot(at, column(full, "accuracy"), "o-", color=colour, markersize=4)
            lower.set_xlabel("(TCP − w)²")
        axes[0].set_ylabel("share (%)")
        axes[len(names)].set_ylabel("accuracy (%)")
    says = "Share of utterances and accuracy by the error of the estimated contribution."
    return Drawn(name="contribution-error", title="By error", says=says, figure=figure, rows=rows)


def draw_projection(rows: Rows) -> Drawn:
    """Both levels' vectors in the plane (DF-ERC, Figure 10)."""
    panels = list(dict.fromkeys((str(row["row"]), str(row["level"])) for row in rows))
    figure, axes = new_figure(6.8, 3.3 * math.ceil(len(panels) / 2), math.ceil(len(panels) / 2), 2)
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
        legend_below(figure, axes[0])
    says = "t-SNE of the vectors of both levels, a point an utterance and modality."
    return Drawn(name="projection", title="Vectors", says=says, figure=figure, rows=rows)


def draw_heat_maps(rows: Rows) -> Drawn:
    """Features of one utterance on their way through MultiEMO (its Figure 6)."""
    names = list(dict.fromkeys(str(row["features"]) for row in rows))
    figure, axes = new_figure(9.0, 2.2 * math.ceil(len(names) / 5), math.ceil(len(names) / 5), 5)
    with looks():
        for axis, name in zip(axes, names, strict=False):
            values = np.array([float(row["value"]) for row in rows if row["features"] == name])
            side = math.ceil(math.sqrt(len(values)))
            square = np.full(side * side, np.nan)
            square[: len(values)] = values
            most = float(np.nanmax(np.abs(square))) or 1.0
            axis.imshow(square.reshape(side, side), cmap="PuOr", vmin=-most, vmax=most)
            axis.set_title(f"{name.replace('_', ', ')} ({len(values)})", fontsize=8)
        for axis in axes:
            axis.set_axis_off()
    says = "Heat maps of one utterance's features, from each modality alone to all together."
    return Drawn(name="heat-maps", title="Features", says=says, figure=figure, rows=rows)
