"""Figures of MultiEMO: one function each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from mmerc.conversation import MODALITIES
from mmerc.data.batch import ConversationBatch
from mmerc.experiments.plots.style import Plot, Records, column, new_figure
from mmerc.experiments.reproduction.hidden_states import hidden_states
from mmerc.experiments.reproduction.results import TargetResults, TrainedRow
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.models.multiemo.model import MultiEmo


def heat_maps(results: TargetResults) -> Plot:
    """Features of one utterance that only fusion gets right, by modality (Figure 6), seed 0."""
    baseline = results.baseline
    others = [trained for trained in results.trained if trained is not baseline]
    position = np.array([_find_fusion_example(baseline, others)], dtype=np.intp)
    states = hidden_states(baseline, 0, "features", _features, position)
    records = [
        {"features": name, "position": index, "value": round(float(value), 5)}
        for name, values in states.items()
        if values.ndim > 1
        for index, value in enumerate(values[0])
    ]
    return _draw_heat_maps(records)


def _draw_heat_maps(records: Records) -> Plot:
    """Draw a heat map per step and modality."""
    names = list(dict.fromkeys(str(record["features"]) for record in records))
    steps = list(dict.fromkeys(name.partition("_")[0] for name in names))
    modalities: list[str] = [m for m in MODALITIES if any(n.endswith(f"_{m}") for n in names)]
    height = len(modalities)
    figure, axes = new_figure(1.9 * len(steps), 2.1 * height, height, len(steps))
    for axis in axes:
        axis.set_axis_off()
    for name in names:
        step, _, modality = name.partition("_")
        line = modalities.index(modality) if modality else (height - 1) // 2
        axis = axes[line * len(steps) + steps.index(step)]
        values = np.array(column([r for r in records if r["features"] == name], "value"))
        _draw_square(axis, values)
        axis.set_title(f"{name.replace('_', ', ')} ({len(values)})", fontsize=8)
    caption = (
        "Heat maps of one utterance's features, from single modalities to all together; purple "
        "is above 0, orange below; the darkest colour marks the largest value of each map."
    )
    return Plot(name="heat-maps", title="Features", caption=caption, figure=figure, records=records)


def _features(
    model: AnyModel, batch: ConversationBatch, output: ModelOutput
) -> Mapping[str, Tensor]:
    """Record ``unimodal_m``, ``context_m``, ``fused_m`` and ``joint`` [B, N, D]."""
    intermediates = cast(MultiEmo, model).compute_intermediates(batch)
    steps = {
        "unimodal": intermediates.unimodal,
        "context": intermediates.context,
        "fused": intermediates.fused,
    }
    recorded = {f"{step}_{m}": v for step, vectors in steps.items() for m, v in vectors.items()}
    return recorded | {"joint": intermediates.joint}


def _find_fusion_example(baseline: TrainedRow, others: Sequence[TrainedRow]) -> int:
    """Find the most confident correct prediction on which all other rows are wrong.

    The utterance has all modalities. If there is none, first the other rows' errors and then the
    modalities are no longer required.
    """
    predictions = baseline.test[0]
    correct = predictions.predicted == predictions.gold
    confidence = np.where(correct, predictions.probabilities.max(axis=1), -1.0)
    others_wrong = np.ones(len(predictions), dtype=bool)
    for other in others:
        others_wrong &= other.test[0].predicted != predictions.gold
    present = [~np.isnan(weight) for weight in predictions.weights.values()]
    complete = np.all([np.ones(len(predictions), dtype=bool), *present], axis=0)
    for eligible in (complete & others_wrong, complete):
        if (confidence[eligible] > 0).any():
            return int(np.argmax(np.where(eligible, confidence, -1.0)))
    return int(np.argmax(confidence))


def _draw_square(axis: Axes, values: NDArray[np.float64]) -> None:
    """Draw numbers line by line in a square; larger numbers are darker."""
    side = math.ceil(math.sqrt(len(values)))
    square = np.full(side * side, np.nan)
    square[: len(values)] = values
    largest = float(np.nanmax(np.abs(square))) or 1.0
    axis.imshow(square.reshape(side, side), cmap="PuOr", vmin=-largest, vmax=largest)
