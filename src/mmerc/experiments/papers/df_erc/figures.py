"""Figures of DF-ERC: one function each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from torch import Tensor

from mmerc.conversation import MODALITIES
from mmerc.data.batch import ConversationBatch
from mmerc.errors import InputError
from mmerc.evaluation.metrics import Metric
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import aligned
from mmerc.experiments.plots.groups import (
    draw_panels,
    equal_groups,
    grouped,
    mean_of_known,
    merge_seeds,
    score_group,
)
from mmerc.experiments.plots.style import (
    COLOURS,
    LINES,
    METRIC_NAMES,
    MODALITY_COLOURS,
    MODALITY_MARKERS,
    Plot,
    Records,
    column,
    legend_below,
    new_figure,
    records_by_row,
)
from mmerc.experiments.reproduction.hidden_states import HiddenStates, hidden_states
from mmerc.experiments.reproduction.results import TargetResults, TrainedRow
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.models.df_erc.model import DfErc

_SIMILARITY_GROUPS, _CROSS_ENTROPY_GROUPS, _RANK_GROUPS = 5, 4, 10
_ERROR_BINS = np.linspace(0, 1, 21)
_MEAN = "mean of all"
_FEWEST = 20  # utterances; minimum for drawing a bin's accuracy
_PROJECTED = 300  # utterances; more points would be indistinguishable


def similarity(results: TargetResults) -> Plot:
    """Psi and score by fifths of the utterances in order of psi (Figure 6)."""
    records = grouped(results, _by_similarity)
    figure, axes = new_figure(7.2, 3.2, columns=2)
    score = (results.metric, f"{METRIC_NAMES[results.metric]} (%)")
    draw_panels(axes, records, (("similarity", "similarity psi"), score), "similarity percentile")
    legend_below(figure, axes[0])
    caption = "Similarity of the modalities and score, by five groups of similarity."
    return Plot(
        name="similarity", title="By similarity", caption=caption, figure=figure, records=records
    )


def _by_similarity(predictions: Predictions, metric: Metric) -> Records:
    groups = equal_groups(predictions.similarity, _SIMILARITY_GROUPS)
    return [
        {
            "group": name,
            "similarity": mean_of_known(predictions.similarity[positions]),
            **score_group(predictions, positions, metric),
        }
        for name, positions in groups.items()
    ]


def weights(results: TargetResults) -> Plot:
    """Mean weights and score by quarters of the utterances in order of cross-entropy (Figure 7)."""
    records = grouped(results, _by_cross_entropy)
    label, metric = "cross-entropy percentile", results.metric
    figure, axes = new_figure(7.2, 3.4, columns=2)
    for index, (row, points) in enumerate(records_by_row(records).items()):
        groups = [str(point["group"]) for point in points]
        for m in (m for m in MODALITIES if f"weight {m}" in points[0]):
            axes[0].plot(
                groups, column(points, f"weight {m}"), label=f"{row}, {m}",
                color=MODALITY_COLOURS[m], marker=MODALITY_MARKERS[m], markersize=5,
                linestyle=LINES[index % len(LINES)], mfc="white" if index else None,
            )  # fmt: skip
    axes[0].set_ylabel("mean weight")
    axes[0].set_xlabel(label)
    draw_panels(axes[1:], records, ((metric, f"{METRIC_NAMES[metric]} (%)"),), label)
    axes[1].legend()
    legend_below(figure, axes[0], columns=3)
    caption = "Mean weight of each modality and score, by four groups of cross-entropy."
    return Plot(
        name="weights", title="By cross-entropy", caption=caption, figure=figure, records=records
    )


def _by_cross_entropy(predictions: Predictions, metric: Metric) -> Records:
    """Group one seed's utterances, easiest first."""
    gold = predictions.probabilities[np.arange(len(predictions)), predictions.gold]
    groups = equal_groups(-np.log(np.maximum(gold, 1e-12)), _CROSS_ENTROPY_GROUPS)
    return [
        {"group": name}
        | {f"weight {m}": mean_of_known(w[positions]) for m, w in predictions.weights.items()}
        | score_group(predictions, positions, metric)
        for name, positions in groups.items()
    ]


def consistency(results: TargetResults) -> Plot:
    """Score over the rank of the baseline's psi, seed by seed (Figure 8)."""
    metric, baseline = results.metric, results.baseline
    records: Records = []
    for trained in results.trained:
        pairs = [aligned(pair) for pair in zip(baseline.test, trained.test, strict=True)]
        seeds = [_by_rank(reference, run, metric) for reference, run in pairs]
        records += merge_seeds(seeds, {"row": trained.row.name})
    figure, axes = new_figure(6.4, 3.4)
    draw_panels(axes, records, ((metric, f"{METRIC_NAMES[metric]} (%)"),), "rank of similarity")
    legend_below(figure, axes[0])
    caption = "Score by ten groups of the baseline's similarity."
    return Plot(
        name="consistency", title="By rank", caption=caption, figure=figure, records=records
    )


def _by_rank(reference: Predictions, run: Predictions, metric: Metric) -> Records:
    """Group one seed's utterances, least similar first."""
    groups = equal_groups(reference.similarity, _RANK_GROUPS)
    return [
        {"group": name, **score_group(run, positions, metric)} for name, positions in groups.items()
    ]


def projection(results: TargetResults) -> Plot:
    """t-SNE of both levels' vectors, and the separation of modalities (Figure 10)."""
    records = [
        record
        for trained in results.trained
        for level in ("modality", "utterance")
        for record in _project(
            trained.row.name,
            level,
            hidden_states(trained, 0, "levels", _levels, _complete_utterances(trained.test[0])),
        )
    ]
    panels = list(dict.fromkeys((str(r["row"]), str(r["level"])) for r in records))
    height = math.ceil(len(panels) / 2)
    figure, axes = new_figure(6.8, 3.3 * height, height, 2)
    for axis, (name, level) in zip(axes, panels, strict=True):
        selected = [
            record for record in records if (record["row"], record["level"]) == (name, level)
        ]
        for m in MODALITIES:
            points = [record for record in selected if record["modality"] == m]
            axis.scatter(
                column(points, "x"), column(points, "y"), s=9, alpha=0.7, linewidths=0,
                color=MODALITY_COLOURS[m], marker=MODALITY_MARKERS[m], label=m,
            )  # fmt: skip
        axis.set_title(f"{name}, {level} level, silhouette {selected[0]['silhouette']:.2f}")
        axis.set_xticks([])
        axis.set_yticks([])
    legend_below(figure, axes[0], marker_scale=2.0)
    caption = "t-SNE of the vectors of both levels, a point per utterance and modality."
    return Plot(name="projection", title="Vectors", caption=caption, figure=figure, records=records)


def _levels(model: AnyModel, batch: ConversationBatch, output: ModelOutput) -> Mapping[str, Tensor]:
    """Record both levels (Eqs. 2 and 4): ``modality_m`` and ``utterance_m`` [B, N, H].

    NaN if the modality is absent.
    """
    df_erc = cast(DfErc, model)
    packing, vectors, present = df_erc.pack_inputs(batch)
    disentangled = df_erc.disentanglement(vectors, present, packing, with_losses=False)
    by_level = {
        "modality": disentangled.modality_level,
        "utterance": disentangled.utterance_level,
    }
    return {
        f"{level}_{m}": packing.unpack(vector.masked_fill(~present[m].unsqueeze(-1), torch.nan))
        for level, by_modality in by_level.items()
        for m, vector in by_modality.items()
    }


def _complete_utterances(predictions: Predictions) -> NDArray[np.intp]:
    """Draw up to 300 utterances with all modalities, with a fixed seed."""
    present = [~np.isnan(weight) for weight in predictions.weights.values()]
    complete = np.flatnonzero(np.all(present, axis=0))
    if len(present) < 2 or len(complete) < 2:
        problem = "fewer than two test utterances have all of two modalities or more"
        raise InputError("t-SNE of both levels", problem, "choose another corpus")
    return np.sort(np.random.default_rng(0).permutation(complete)[:_PROJECTED])


def _project(name: str, level: str, states: HiddenStates) -> Records:
    """Project one level; the silhouette is computed on the vectors, not on the projection."""
    modalities = [m for m in MODALITIES if f"{level}_{m}" in states]
    vectors = np.stack([states[f"{level}_{m}"] for m in modalities])  # [M, N, H]
    points = vectors.reshape(-1, vectors.shape[-1])
    modality = np.repeat(np.arange(len(modalities)), vectors.shape[1])
    projected = TSNE(
        perplexity=min(30.0, (len(points) - 1) / 3), init="pca", random_state=0, metric="cosine"
    ).fit_transform(points)
    silhouette = float(silhouette_score(points, modality, metric="cosine"))
    return [
        {
            "row": name,
            "level": level,
            "modality": modalities[modality[index]],
            "x": round(float(x), 3),
            "y": round(float(y), 3),
            "silhouette": round(silhouette, 4),
        }
        for index, (x, y) in enumerate(projected)
    ]


def contribution_error(results: TargetResults) -> Plot:
    """Share and accuracy of utterances by (TCP - w) squared (Figure 11)."""
    records = _error_records(results.baseline)
    names = [n for n in (*MODALITIES, _MEAN) if any(r["modality"] == n for r in records)]
    figure, axes = new_figure(1.9 * len(names), 4.0, 2, len(names), sharex=True, sharey="row")
    upper, lower = axes[: len(names)], axes[len(names) :]
    for name, shares, accuracies in zip(names, upper, lower, strict=True):
        selected = [record for record in records if record["modality"] == name]
        full = [record for record in selected if record["utterances"] >= _FEWEST]
        colour = MODALITY_COLOURS.get(name, COLOURS[-1])
        shares.bar(_middles(selected), column(selected, "share"), 0.045, color=colour)
        shares.set_title(name)
        accuracies.plot(_middles(full), column(full, "accuracy"), "o-", color=colour, markersize=4)
        accuracies.set_xlabel("(TCP − w)²")
    upper[0].set_ylabel("share (%)")
    lower[0].set_ylabel("accuracy (%)")
    caption = "Share of utterances and accuracy by the error of the estimated contribution."
    return Plot(
        name="contribution-error", title="By error", caption=caption, figure=figure,
        records=records,
    )  # fmt: skip


def _own_predictions(
    model: AnyModel, batch: ConversationBatch, output: ModelOutput
) -> Mapping[str, Tensor]:
    """Record teacher and student (Eqs. 10-14): ``probabilities_m`` [B, N, K], ``weight_m`` [B, N].

    NaN if the modality is absent. A prediction does not see the labels.
    """
    df_erc = cast(DfErc, model)
    packing, vectors, present = df_erc.pack_inputs(batch)
    vectors = df_erc.disentanglement(vectors, present, packing, with_losses=False).vectors
    recorded: dict[str, Tensor] = {}
    for m, logits in df_erc.fusion.classify(vectors).items():
        absent = ~packing.unpack(present[m])
        probabilities = packing.unpack(logits).float().softmax(-1)
        recorded[f"probabilities_{m}"] = probabilities.masked_fill(absent[..., None], torch.nan)
        recorded[f"weight_{m}"] = output.explanation.weights[m].masked_fill(absent, torch.nan)
    return recorded


def _error_records(trained: TrainedRow) -> Records:
    """Compute bins over all seeds.

    The mean is over the present modalities; the accuracy is that of the whole model.
    """
    seeds = [
        hidden_states(
            trained, index, "own-predictions", _own_predictions, np.flatnonzero(test.gold >= 0)
        )
        for index, test in enumerate(trained.test)
    ]
    modalities = [m for m in MODALITIES if f"weight_{m}" in seeds[0]]
    errors = {m: np.concatenate([_contribution_errors(s, m) for s in seeds]) for m in modalities}
    correct = np.concatenate([s["predicted"] == s["gold"] for s in seeds]).astype(float)
    stacked = np.stack(list(errors.values()))
    present = ~np.isnan(stacked).all(axis=0)
    records = [
        record
        for m in modalities
        for record in _error_bins(m, errors[m], np.concatenate([_is_right(s, m) for s in seeds]))
    ]
    return records + _error_bins(_MEAN, np.nanmean(stacked[:, present], axis=0), correct[present])


def _contribution_errors(states: HiddenStates, modality: str) -> NDArray[np.floating]:
    """(TCP - w) squared, where TCP is the probability of the gold class (Eqs. 11 and 14)."""
    gold = states["gold"]
    target = states[f"probabilities_{modality}"][np.arange(len(gold)), gold]
    error: NDArray[np.floating] = (target - states[f"weight_{modality}"]) ** 2
    return error


def _is_right(states: HiddenStates, modality: str) -> NDArray[np.floating]:
    """Whether a modality's own classifier predicts the gold class; NaN if it is absent."""
    own = states[f"probabilities_{modality}"]
    return np.where(np.isnan(own[:, 0]), np.nan, own.argmax(-1) == states["gold"])


def _error_bins(name: str, errors: NDArray[np.floating], right: NDArray[np.floating]) -> Records:
    errors, right = errors[~np.isnan(errors)], right[~np.isnan(errors)]
    bins = np.clip(np.digitize(errors, _ERROR_BINS) - 1, 0, len(_ERROR_BINS) - 2)
    records: Records = []
    for index in range(len(_ERROR_BINS) - 1):
        inside = bins == index
        records.append(
            {
                "modality": name,
                "from": round(float(_ERROR_BINS[index]), 2),
                "to": round(float(_ERROR_BINS[index + 1]), 2),
                "utterances": int(inside.sum()),
                "share": 100 * float(inside.mean()) if len(inside) else None,
                "accuracy": 100 * float(right[inside].mean()) if inside.any() else None,
            }
        )
    return records


def _middles(records: Records) -> list[float]:
    return [(record["from"] + record["to"]) / 2 for record in records]
