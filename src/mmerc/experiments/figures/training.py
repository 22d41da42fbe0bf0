"""Figures that every report has: learning curves and confusion matrices."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mmerc.experiments.analyses import Rows
from mmerc.experiments.figures.groups import column, lines_of
from mmerc.experiments.figures.style import Drawn, legend_below, looks, new_figure, styled

SHADES = "cividis"  # even in grey, and for the colour-blind
PANELS = (("train_loss", "training loss"), ("valid_weighted_f1", "weighted F1 on validation (%)"))


def draw_curves(rows: Rows) -> Drawn:
    """Loss and validation score by epoch, a line a row."""
    lines = lines_of(rows)
    figure, axes = new_figure(7.2, 3.0 + 0.18 * math.ceil(len(lines) / 4), columns=2)
    with looks():
        for axis, (key, name) in zip(axes, PANELS, strict=True):
            for place, (row, points) in enumerate(lines.items()):
                axis.plot(column(points, "epoch"), column(points, key), label=row, **styled(place))
            axis.set_xlabel("epoch")
            axis.set_ylabel(name)
            axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        legend_below(figure, axes[0])
    says = "Training loss and validation score by epoch, mean over seeds."
    return Drawn(name="curves", title="Learning curves", says=says, figure=figure, rows=rows)


def draw_confusions(rows: Rows) -> Drawn:
    """Share of each gold label by predicted label, a panel a row."""
    lines = lines_of(rows)
    columns = min(3, len(lines))
    height = math.ceil(len(lines) / columns)
    figure, axes = new_figure(2.6 * columns, 2.7 * height, height, columns)
    with looks():
        for axis, (name, cells) in zip(axes, lines.items(), strict=False):
            draw_confusion(axis, name, cells)
        for axis in axes[len(lines) :]:
            axis.set_axis_off()
        figure.supxlabel("predicted", fontsize=9)
        figure.supylabel("gold", fontsize=9)
    says = "Share of every gold label's utterances (rows) by predicted label (columns), in percent."
    return Drawn(name="confusions", title="Confusion matrices", says=says, figure=figure, rows=rows)


def draw_confusion(axis: Axes, name: str, cells: Rows) -> None:
    """One matrix with its numbers."""
    labels = list(dict.fromkeys(str(cell["gold"]) for cell in cells))
    shares = np.array(column(cells, "share")).reshape(len(labels), -1)
    axis.imshow(shares, cmap=SHADES, vmin=0, vmax=1)
    for gold, line in enumerate(shares):
        for predicted, share in enumerate(line):
            if not np.isnan(share):
                ink = "#ffffff" if share < 0.55 else "#000000"
                axis.text(predicted, gold, f"{100 * share:.0f}", ha="center", va="center",
                          fontsize=6, color=ink, in_layout=False)  # fmt: skip
    axis.set_xticks(range(len(labels)), labels, rotation=60, ha="right", fontsize=6)
    axis.set_yticks(range(len(labels)), labels, fontsize=6)
    axis.grid(visible=False)
    axis.set_title(name)
