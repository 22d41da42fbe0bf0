"""Plots at the end of every report: learning curves and confusion matrices."""

from __future__ import annotations

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from mmerc.evaluation.significance import summarise
from mmerc.experiments.plots.style import (
    Plot,
    Records,
    column,
    legend_below,
    line_style,
    new_figure,
    records_by_row,
)
from mmerc.experiments.reproduction.results import TargetResults, TrainedRow

_COLOURS = "cividis"  # even in grey, and safe for colour-blind readers
_PANELS = (("train_loss", "training loss"), ("valid_weighted_f1", "weighted F1 on validation (%)"))


def learning_curves(results: TargetResults) -> Plot:
    """Draw loss and validation score by epoch, a line per trained row."""
    trained = [row for row in results.trained if row.row.masked is None]
    records = [record for row in trained for record in _epochs(row)]
    lines = records_by_row(records)
    figure, axes = new_figure(7.2, 3.0 + 0.18 * math.ceil(len(lines) / 4), columns=2)
    for axis, (key, label) in zip(axes, _PANELS, strict=True):
        for index, (row, points) in enumerate(lines.items()):
            axis.plot(column(points, "epoch"), column(points, key), label=row, **line_style(index))
        axis.set_xlabel("epoch")
        axis.set_ylabel(label)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    legend_below(figure, axes[0])
    caption = "Training loss and validation score by epoch, mean over seeds."
    return Plot(
        name="curves", title="Learning curves", caption=caption, figure=figure, records=records
    )


def _epochs(trained: TrainedRow) -> Records:
    """Return loss and validation score of every epoch, mean over the seeds that reached it."""
    records: Records = []
    for epoch in range(max(len(epochs) for epochs in trained.history)):
        reached = [epochs[epoch] for epochs in trained.history if len(epochs) > epoch]
        records.append(
            {"row": trained.row.name, "epoch": epoch + 1, "seeds": len(reached)}
            | {name: summarise([e[name] for e in reached]).mean for name, _ in _PANELS}
        )
    return records


def confusion_matrices(results: TargetResults) -> Plot:
    """Draw the share of each gold label by predicted label over all seeds, a panel per row."""
    records = [record for row in results.trained for record in _confusion_records(row)]
    rows = records_by_row(records)
    columns = min(3, len(rows))
    height = math.ceil(len(rows) / columns)
    figure, axes = new_figure(2.6 * columns, 2.7 * height, height, columns)
    for axis, (name, cells) in zip(axes, rows.items(), strict=False):
        _draw_matrix(axis, name, cells)
    for axis in axes[len(rows) :]:
        axis.set_axis_off()
    figure.supxlabel("predicted", fontsize=9)
    figure.supylabel("gold", fontsize=9)
    caption = (
        "Share of every gold label's utterances (rows) by predicted label (columns), in percent."
    )
    return Plot(
        name="confusions", title="Confusion matrices", caption=caption, figure=figure,
        records=records,
    )  # fmt: skip


def _confusion_records(trained: TrainedRow) -> Records:
    counts = trained.confusions.sum(axis=0)
    totals = counts.sum(axis=1)
    return [
        {
            "row": trained.row.name,
            "gold": gold,
            "predicted": predicted,
            "utterances": int(counts[i, j]),
            "share": counts[i, j] / totals[i] if totals[i] else None,
        }
        for i, gold in enumerate(trained.test[0].labels)
        for j, predicted in enumerate(trained.test[0].labels)
    ]


def _draw_matrix(axis: Axes, name: str, cells: Records) -> None:
    labels = list(dict.fromkeys(str(cell["gold"]) for cell in cells))
    shares = np.array(column(cells, "share")).reshape(len(labels), -1)
    axis.imshow(shares, cmap=_COLOURS, vmin=0, vmax=1)
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
