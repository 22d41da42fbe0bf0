"""Scores of groups of test utterances, and panels with a line per row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from mmerc.evaluation.metrics import FROM_CONFUSION, Metric, confusion
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import summarise
from mmerc.experiments.plots.style import Records, column, line_style, records_by_row
from mmerc.experiments.reproduction.results import TargetResults

_Panels = Sequence[tuple[str, str]]  # column and label of each


def grouped(
    results: TargetResults, group_seed: Callable[[Predictions, Metric], Records]
) -> Records:
    """Group every row's labelled utterances per seed, and average over the seeds."""
    return [
        record
        for trained in results.trained
        for record in merge_seeds(
            [group_seed(test.with_gold(), results.metric) for test in trained.test],
            {"row": trained.row.name},
        )
    ]


def equal_groups(values: NDArray[Any], count: int) -> dict[str, NDArray[np.intp]]:
    """Split the indices of ``values``, sorted ascending, into ``count`` groups of similar size.

    NaN is excluded; empty groups are omitted.
    """
    order = np.argsort(values, kind="stable")
    order = order[~np.isnan(values[order])]
    groups = np.array_split(order, count)
    names = [f"{100 * i // count}-{100 * (i + 1) // count} %" for i in range(count)]
    return {name: group for name, group in zip(names, groups, strict=True) if len(group)}


def score_group(
    predictions: Predictions, positions: NDArray[np.intp], metric: Metric
) -> dict[str, Any]:
    """Score and count a group of utterances."""
    matrix = confusion(predictions.take(positions))
    return {metric: float(FROM_CONFUSION[metric](matrix)), "utterances": len(positions)}


def mean_of_known(values: NDArray[Any]) -> float | None:
    """Return the mean of the values that are not NaN; None if all are."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def merge_seeds(seeds: Sequence[Records], head: Mapping[str, Any]) -> Records:
    """Compute mean and deviation over seeds of every number, per group."""
    names = list(dict.fromkeys(record["group"] for records in seeds for record in records))
    merged: Records = []
    for name in names:
        group = [record for records in seeds for record in records if record["group"] == name]
        record = {**head, "group": name}
        for key in (key for key in group[0] if key != "group"):
            values = [item[key] for item in group if item.get(key) is not None]
            record[key] = summarise(values).mean if values else None
            record[f"{key} deviation"] = summarise(values).std if values else None
        merged.append(record)
    return merged


def draw_panels(axes: Sequence[Axes], records: Records, panels: _Panels, label: str) -> None:
    """Draw a panel per column and a line per row, with bars for the deviation over seeds."""
    for axis, (key, name) in zip(axes, panels, strict=True):
        for index, (row, points) in enumerate(records_by_row(records).items()):
            groups = [str(point["group"]) for point in points]
            axis.errorbar(
                groups, column(points, key), column(points, f"{key} deviation"),
                label=row, capsize=2, **line_style(index),
            )  # fmt: skip
        axis.set_xlabel(label)
        axis.set_ylabel(name)
        if len(axis.get_xticks()) > 5:
            axis.set_xticks(axis.get_xticks(), groups, rotation=30, ha="right")
