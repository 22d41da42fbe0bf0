"""Figures of DQ-Former: one function each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from scipy.stats import gaussian_kde
from torch import Tensor

from mmerc.conversation import MODALITIES
from mmerc.data.batch import ConversationBatch
from mmerc.errors import InputError
from mmerc.experiments.plots.style import (
    COLOURS,
    LINES,
    MODALITY_COLOURS,
    SOFT,
    Plot,
    Records,
    column,
    legend_below,
    new_figure,
)
from mmerc.experiments.reproduction.hidden_states import HiddenStates, hidden_states
from mmerc.experiments.reproduction.results import TargetResults, TrainedRow
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.models.dq_former.config import DqFormerConfig
from mmerc.models.dq_former.model import DqFormer
from mmerc.models.utterance_model import scatter_utterances

Dominance = Literal["text-dominated", "audio-dominated"]
QUANTILES = {"lowest": 0.05, "lower": 0.25, "median": 0.5, "upper": 0.75, "highest": 0.95}
# Matplotlib's names for the parts of a box plot, and their quantiles.
_BOX = {"whislo": "lowest", "q1": "lower", "med": "median", "q3": "upper", "whishi": "highest"}
_CASES = 2  # of each kind


def layer_confidence(results: TargetResults) -> Plot:
    """Quantiles of every layer's confidence, all seeds together (Figure 3)."""
    records = _layer_records(_confidences(results.baseline))
    names = list(dict.fromkeys(record["modality"] for record in records))
    figure, axes = new_figure(6.8, 3.2, columns=len(names), sharey=True)
    for axis, name in zip(axes, names, strict=True):
        selected = [record for record in records if record["modality"] == name]
        axis.bxp(
            [{mark: record[quantile] for mark, quantile in _BOX.items()} for record in selected],
            positions=[record["layer"] for record in selected], showfliers=False, patch_artist=True,
            widths=0.5, boxprops={"facecolor": MODALITY_COLOURS[name], "alpha": 0.5},
            medianprops={"color": "#000000"},
        )  # fmt: skip
        _mark_threshold(axis, results.baseline, vertical=False)
        axis.set_title(name)
        axis.set_xlabel("fusion layer")
    axes[0].set_ylabel("confidence")
    axes[0].set_ylim(0, 1.02)
    caption = (
        "Confidence of each modality in every fusion layer, utterances that have both: median, "
        "quartiles, 5 and 95 %; dotted: the threshold."
    )
    return Plot(
        name="layer-confidence", title="Confidence by layer", caption=caption, figure=figure,
        records=records,
    )  # fmt: skip


def _layer_records(seeds: list[HiddenStates]) -> Records:
    records: Records = []
    for m in (m for m in MODALITIES if f"confidence_{m}" in seeds[0]):
        values = np.concatenate([states[f"confidence_{m}"] for states in seeds])
        for layer in range(values.shape[1]):
            records.append(
                {"modality": m, "layer": layer + 1, "utterances": len(values)}
                | {n: float(np.quantile(values[:, layer], q)) for n, q in QUANTILES.items()}
                | {"masked share": float((values[:, layer] == 0).mean())}
            )
    return records


def dominance(results: TargetResults) -> Plot:
    """Density of audio's confidence in the last layer but one, by dominance (Figure 4)."""
    baseline = results.baseline
    records = _require_records(
        [
            {"kind": kind, "seed": seed, "confidence": float(_penultimate(states)[position])}
            for seed, states in zip(baseline.seeds, _confidences(baseline), strict=True)
            for kind, positions in _by_dominance(states).items()
            for position in positions
        ]
    )
    figure, (axis,) = new_figure(6.0, 3.2)
    for index, kind in enumerate(dict.fromkeys(record["kind"] for record in records)):
        values = np.array(column([r for r in records if r["kind"] == kind], "confidence"))
        style: dict[str, Any] = {"color": COLOURS[index], "linestyle": LINES[index]}
        axis.plot(*_density(values), label=f"{kind} ({len(values)})", **style)
        axis.plot(values, np.full(len(values), -0.02 * (index + 1)), "|", color=COLOURS[index],
                  transform=axis.get_xaxis_transform(), clip_on=False, ms=4)  # fmt: skip
    _mark_threshold(axis, baseline, vertical=True)
    axis.set_xlabel("confidence of audio in the last fusion layer but one")
    axis.set_ylabel("utterances in a hundredth")
    axis.set_ylim(bottom=0)
    axis.tick_params(axis="x", pad=10)  # room for the strokes
    legend_below(figure, axis)
    caption = "Density of the acoustic confidence, a stroke per utterance; dotted: the threshold."
    return Plot(name="dominance", title="By kind", caption=caption, figure=figure, records=records)


def _density(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Expected utterances per hundredth, at points from 0 to 1; none for fewer than three."""
    if len(values) < 3 or np.ptp(values) == 0:
        return np.zeros(0), np.zeros(0)
    points = np.linspace(0, 1, 1001)
    return points, gaussian_kde(values)(points) * len(values) / 100


def cases(results: TargetResults) -> Plot:
    """Confidence by layer and predictions of each head for four utterances (Figure 5)."""
    states, *_ = _confidences(results.baseline)
    records = _require_records(_case_records(states, results.baseline.test[0].labels.names))
    panels = list(dict.fromkeys((record["kind"], record["case"]) for record in records))
    figure, axes = new_figure(2.4 * len(panels), 3.0, columns=len(panels), sharey=True)
    for axis, (kind, case) in zip(axes, panels, strict=True):
        _draw_case(axis, [r for r in records if (r["kind"], r["case"]) == (kind, case)])
        _mark_threshold(axis, results.baseline, vertical=False)
    axes[0].set_ylabel("confidence")
    axes[0].set_ylim(0, 1.02)
    legend_below(figure, axes[0])
    caption = "Confidence of each modality by layer; above, gold label and each head's prediction."
    return Plot(name="cases", title="Cases", caption=caption, figure=figure, records=records)


def _case_records(states: HiddenStates, labels: tuple[str, ...]) -> Records:
    """Choose the utterances of each kind with the highest or lowest acoustic confidence."""
    audio = _penultimate(states)
    records: Records = []
    for kind, positions in _by_dominance(states).items():
        sign = -1 if kind == "audio-dominated" else 1
        ordered = positions[np.argsort(sign * audio[positions], kind="stable")][:_CASES]
        for number, position in enumerate(ordered, start=1):
            gold = labels[int(states["gold"][position])]
            head = {"kind": kind, "case": number, "gold": gold}
            records += _case_layers(head, states, int(position), labels)
    return records


def _case_layers(
    head: Mapping[str, Any], states: HiddenStates, position: int, labels: tuple[str, ...]
) -> Records:
    """Build a record per modality and layer of an utterance."""
    records: Records = []
    for m in (m for m in MODALITIES if f"confidence_{m}" in states):
        alone = labels[int(states[f"alone_{m}"][position])]
        for layer, value in enumerate(states[f"confidence_{m}"][position], start=1):
            records.append(
                {**head, "modality": m, "alone": alone, "layer": layer, "confidence": float(value)}
            )
    return records


def _draw_case(axis: Axes, records: Records) -> None:
    """Draw bars of each modality side by side, layer by layer."""
    names = list(dict.fromkeys(record["modality"] for record in records))
    heads = []
    for index, name in enumerate(names):
        selected = [record for record in records if record["modality"] == name]
        heads.append(f"{name}: {selected[0]['alone']}")
        x = np.array(column(selected, "layer")) + 0.4 * (index - (len(names) - 1) / 2)
        axis.bar(
            x, column(selected, "confidence"), 0.36, label=name, color=MODALITY_COLOURS[name],
            hatch="//" * index, edgecolor="#ffffff",
        )  # fmt: skip
    title = f"{records[0]['kind']}\ngold: {records[0]['gold']}\n{', '.join(heads)}"
    axis.set_title(title, fontsize=7)
    axis.set_xticks(sorted({record["layer"] for record in records}))
    axis.set_xlabel("fusion layer")


def _recorded_confidences(
    model: AnyModel, batch: ConversationBatch, output: ModelOutput
) -> Mapping[str, Tensor]:
    """Record ``confidence_m`` [B, N, F] and ``alone_m`` [B, N].

    ``alone_m`` is the index of the label that the modality's own head predicts, -1 where the
    modality is absent.
    """
    dq_former = cast(DqFormer, model)
    reading = dq_former.read(dq_former.streams(batch))
    recorded = {f"confidence_{m}": c for m, c in output.explanation.layer_weights.items()}
    for m, logits in reading.alone.items():
        label = scatter_utterances(logits.argmax(-1, keepdim=True).float(), batch.mask).squeeze(-1)
        recorded[f"alone_{m}"] = label.masked_fill(~batch.present[m], -1)
    return recorded


def _confidences(trained: TrainedRow) -> list[HiddenStates]:
    """Return confidences and single heads of every seed, for utterances with all modalities.

    If a modality is absent, the others' confidences are higher regardless of content.
    """
    return [
        _complete_utterances(hidden_states(trained, index, "confidences", _recorded_confidences))
        for index in range(len(trained.seeds))
    ]


def _complete_utterances(states: HiddenStates) -> HiddenStates:
    """Keep the utterances without an absent modality."""
    present = [states[name] >= 0 for name in states if name.startswith("alone_")]
    complete = np.all(present, axis=0)
    return {name: values[complete] for name, values in states.items()}


def _penultimate(states: HiddenStates) -> NDArray[Any]:
    """Return audio's confidence in the penultimate layer (or in the only layer)."""
    layers = states["confidence_audio"]
    return np.asarray(layers[:, max(0, layers.shape[1] - 2)])


def _by_dominance(states: HiddenStates) -> dict[Dominance, NDArray[np.intp]]:
    """Find utterances where the model and exactly one single-modality head are right."""
    gold = states["gold"]
    right = (gold >= 0) & (states["predicted"] == gold)
    text, audio = (states[f"alone_{m}"] == gold for m in ("text", "audio"))
    return {
        "audio-dominated": np.flatnonzero(right & audio & ~text),
        "text-dominated": np.flatnonzero(right & text & ~audio),
    }


def _require_records(records: Records) -> Records:
    """Return the records; InputError if there is nothing to draw."""
    if not records:
        problem = "no test utterance is text-dominated or audio-dominated"
        raise InputError("acoustic confidence by kind", problem, "train longer or on more")
    return records


def _mark_threshold(axis: Axes, trained: TrainedRow, *, vertical: bool) -> None:
    """Mark the confidence below which a modality is masked (tau)."""
    threshold = cast(DqFormerConfig, trained.run.recipe.model).threshold
    if threshold > 0:
        line = axis.axvline if vertical else axis.axhline
        line(threshold, color=SOFT, linestyle=":", linewidth=1)
