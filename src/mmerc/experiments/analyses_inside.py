"""What the papers' figures show of the models' inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

from mmerc.conversation import MODALITIES
from mmerc.errors import InputError
from mmerc.evaluation.predictions import Predictions
from mmerc.experiments.analyses import Rows
from mmerc.experiments.inside import Inside, Look, look_inside
from mmerc.experiments.inside_systems import contribution, features, levels
from mmerc.experiments.measured import Measured

ERROR_BINS = np.linspace(0, 1, 21)
PROJECTED = 300  # utterances; more makes points that nobody can tell apart
MEAN = "mean of all"


def seen(item: Measured, place: int, name: str, look: Look, rows: NDArray[np.intp]) -> Inside:
    """What is inside one of a row's seeds, of the test utterances at ``rows``."""
    keys = item.test[place].keys
    return look_inside(
        item.run.seed_directory(item.seeds[place]), name, look, item.run.corpus,
        keys=[keys[row] for row in rows], hardware=item.hardware,
    )  # fmt: skip


def contribution_error(item: Measured) -> Rows:
    """Utterances by (TCP - w) squared, and how often they are named rightly (DF-ERC, Figure 11).

    All seeds together; the mean is over the modalities that are present, and what is right there
    is the whole model.
    """
    tables = [
        seen(item, place, "contribution", contribution, np.flatnonzero(made.gold >= 0))
        for place, made in enumerate(item.test)
    ]
    there = [m for m in MODALITIES if f"tcp_{m}" in tables[0]]
    errors = {
        m: np.concatenate([(t[f"tcp_{m}"] - t[f"weight_{m}"]) ** 2 for t in tables]) for m in there
    }
    right = {m: np.concatenate([t[f"right_{m}"] for t in tables]) for m in there}
    named = np.concatenate([t["predicted"] == t["gold"] for t in tables]).astype(float)
    stacked = np.stack(list(errors.values()))
    some = ~np.isnan(stacked).all(axis=0)
    rows = [row for m in there for row in binned(m, errors[m], right[m])]
    return rows + binned(MEAN, np.nanmean(stacked[:, some], axis=0), named[some])


def binned(name: str, errors: NDArray[Any], right: NDArray[Any]) -> Rows:
    """Share and accuracy of each bin of the error."""
    errors, right = errors[~np.isnan(errors)], right[~np.isnan(errors)]
    places = np.clip(np.digitize(errors, ERROR_BINS) - 1, 0, len(ERROR_BINS) - 2)
    rows: Rows = []
    for place in range(len(ERROR_BINS) - 1):
        chosen = places == place
        rows.append(
            {
                "modality": name,
                "from": round(float(ERROR_BINS[place]), 2),
                "to": round(float(ERROR_BINS[place + 1]), 2),
                "utterances": int(chosen.sum()),
                "share": 100 * float(chosen.mean()) if len(chosen) else None,
                "accuracy": 100 * float(right[chosen].mean()) if chosen.any() else None,
            }
        )
    return rows


def projection(measured: Sequence[Measured]) -> Rows:
    """t-SNE of both levels' vectors, and how far apart modalities are (DF-ERC, Figure 10)."""
    rows: Rows = []
    for item in measured:
        table = seen(item, 0, "levels", levels, whole_utterances(item.test[0]))
        for level in ("modality", "utterance"):
            rows += projected(item.row.name, level, table)
    return rows


def projected(name: str, level: str, table: Inside) -> Rows:
    """One level's points; the silhouette is that of the vectors, not of the plane."""
    there = [m for m in MODALITIES if f"{level}_{m}" in table]
    vectors = np.stack([table[f"{level}_{m}"] for m in there])  # [M, N, H]
    points = vectors.reshape(-1, vectors.shape[-1])
    kind = np.repeat(np.arange(len(there)), vectors.shape[1])
    plane = TSNE(
        perplexity=min(30.0, (len(points) - 1) / 3), init="pca", random_state=0, metric="cosine"
    ).fit_transform(points)
    apart = float(silhouette_score(points, kind, metric="cosine"))
    return [
        {
            "row": name,
            "level": level,
            "modality": there[kind[place]],
            "x": round(float(x), 3),
            "y": round(float(y), 3),
            "silhouette": round(apart, 4),
        }
        for place, (x, y) in enumerate(plane)
    ]


def heat_maps(measured: Sequence[Measured], baseline: str) -> Rows:
    """Features of the one utterance that fusion saves (MultiEMO, Figure 6), seed 0."""
    reference = next(item for item in measured if item.row.name == baseline)
    chosen = saved_by_fusion(reference, [item for item in measured if item is not reference])
    table = seen(reference, 0, "features", features, np.array([chosen], dtype=np.intp))
    return [
        {"features": name, "position": place, "value": round(float(value), 5)}
        for name, values in table.items()
        if values.ndim > 1
        for place, value in enumerate(values[0])
    ]


def saved_by_fusion(reference: Measured, others: Sequence[Measured]) -> int:
    """Row of the surest right prediction with all modalities on which every other row errs.

    Where there is none, errors count less, then absent modalities.
    """
    made = reference.test[0]
    sure = np.where(made.predicted == made.gold, made.probabilities.max(axis=1), -1.0)
    wrong = np.ones(len(made), dtype=bool)
    for other in others:
        wrong &= other.test[0].predicted != made.gold
    there = [~np.isnan(weight) for weight in made.weights.values()]
    whole = np.all([np.ones(len(made), dtype=bool), *there], axis=0)
    for wanted in (whole & wrong, whole):
        if (sure[wanted] > 0).any():
            return int(np.argmax(np.where(wanted, sure, -1.0)))
    return int(np.argmax(sure))


def whole_utterances(made: Predictions) -> NDArray[np.intp]:
    """Some utterances of which no modality is absent, drawn by a fixed seed."""
    there = [~np.isnan(weight) for weight in made.weights.values()]
    whole = np.flatnonzero(np.all(there, axis=0))
    if len(there) < 2 or len(whole) < 2:
        problem = "fewer than two test utterances have all of two modalities or more"
        raise InputError("t-SNE of both levels", problem, "choose another corpus")
    return np.sort(np.random.default_rng(0).permutation(whole)[:PROJECTED])
