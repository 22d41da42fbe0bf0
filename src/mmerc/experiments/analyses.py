"""What the papers' figures show, taken from stored predictions; every result is rows of a CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation.metrics import FROM_CONFUSION, Metric, confusion
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.significance import aligned, summarise
from mmerc.experiments.measured import Measured

Rows = list[dict[str, Any]]
SIMILARITY_GROUPS, CROSS_ENTROPY_GROUPS, RANK_GROUPS = 5, 4, 10


def similarity(measured: Sequence[Measured], metric: Metric) -> Rows:
    """Mean psi and score of each fifth of the utterances by psi (DF-ERC, Figure 6)."""
    return grouped(measured, metric, by_similarity)


def by_similarity(known: Predictions, metric: Metric) -> Rows:
    """One seed's groups."""
    groups = equal_groups(known.similarity, SIMILARITY_GROUPS)
    return [
        {
            "group": name,
            "similarity": mean(known.similarity[chosen]),
            **scored(known, chosen, metric),
        }
        for name, chosen in groups.items()
    ]


def weights(measured: Sequence[Measured], metric: Metric) -> Rows:
    """Mean weights and score of each quarter of the utterances by cross-entropy (Figure 7)."""
    return grouped(measured, metric, by_cross_entropy)


def by_cross_entropy(known: Predictions, metric: Metric) -> Rows:
    """One seed's groups, the easiest utterances first."""
    gold = known.probabilities[np.arange(len(known)), known.gold]
    groups = equal_groups(-np.log(np.maximum(gold, 1e-12)), CROSS_ENTROPY_GROUPS)
    return [
        {"group": name}
        | {f"weight {m}": mean(weight[chosen]) for m, weight in known.weights.items()}
        | scored(known, chosen, metric)
        for name, chosen in groups.items()
    ]


def consistency(measured: Sequence[Measured], baseline: str, metric: Metric) -> Rows:
    """Score over the rank of the baseline's psi, seed by seed (Figure 8)."""
    reference = next(item for item in measured if item.row.name == baseline)
    rows: Rows = []
    for item in measured:
        pairs = [aligned(pair) for pair in zip(reference.test, item.test, strict=True)]
        seeds = [by_rank(one, other, metric) for one, other in pairs]
        rows += merged(seeds, {"row": item.row.name})
    return rows


def by_rank(reference: Predictions, own: Predictions, metric: Metric) -> Rows:
    """One seed's groups, the least alike first."""
    groups = equal_groups(reference.similarity, RANK_GROUPS)
    return [{"group": name, **scored(own, chosen, metric)} for name, chosen in groups.items()]


def curves(measured: Sequence[Measured]) -> Rows:
    """Loss and validation score of every epoch, mean over the seeds that reached it."""
    rows: Rows = []
    for item in measured:
        for epoch in range(max(len(epochs) for epochs in item.history)):
            there = [epochs[epoch] for epochs in item.history if len(epochs) > epoch]
            rows.append(
                {"row": item.row.name, "epoch": epoch + 1, "seeds": len(there)}
                | {
                    name: summarise([e[name] for e in there]).mean
                    for name in ("train_loss", "valid_weighted_f1")
                }
            )
    return rows


def confusions(measured: Sequence[Measured]) -> Rows:
    """Share of each gold label's utterances by predicted label, over all seeds."""
    rows: Rows = []
    for item in measured:
        counts = item.confusions.sum(axis=0)
        totals = counts.sum(axis=1)
        for gold, name in enumerate(item.test[0].labels):
            for predicted, other in enumerate(item.test[0].labels):
                share = counts[gold, predicted] / totals[gold] if totals[gold] else None
                rows.append(
                    {"row": item.row.name, "gold": name, "predicted": other,
                     "utterances": int(counts[gold, predicted]), "share": share}
                )  # fmt: skip
    return rows


def grouped(
    measured: Sequence[Measured], metric: Metric, groups_of: Callable[[Predictions, Metric], Rows]
) -> Rows:
    """Every row's groups of known utterances, seed by seed, merged over the seeds."""
    rows: Rows = []
    for item in measured:
        seeds = [groups_of(made.known(), metric) for made in item.test]
        rows += merged(seeds, {"row": item.row.name})
    return rows


def equal_groups(values: NDArray[Any], count: int) -> dict[str, NDArray[np.intp]]:
    """Positions of ``values`` in ascending order, cut into ``count`` groups of like size.

    NaN has no place in it; a group that would be empty is left out.
    """
    order = np.argsort(values, kind="stable")
    order = order[~np.isnan(values[order])]
    cut = np.array_split(order, count)
    names = [f"{100 * i // count}-{100 * (i + 1) // count} %" for i in range(count)]
    return {name: chosen for name, chosen in zip(names, cut, strict=True) if len(chosen)}


def scored(known: Predictions, chosen: NDArray[np.intp], metric: Metric) -> dict[str, Any]:
    """The metric of some of the utterances, and how many they are."""
    matrix = confusion(known.take(chosen))
    return {metric: float(FROM_CONFUSION[metric](matrix)), "utterances": len(chosen)}


def mean(values: NDArray[Any]) -> float | None:
    """Mean of what is not NaN; None where there is nothing."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else None


def merged(seeds: Sequence[Rows], head: dict[str, Any]) -> Rows:
    """Mean and deviation over seeds of every number, group by group."""
    names = list(dict.fromkeys(row["group"] for rows in seeds for row in rows))
    found: Rows = []
    for name in names:
        there = [row for rows in seeds for row in rows if row["group"] == name]
        line = head | {"group": name}
        for key in (key for key in there[0] if key != "group"):
            values = [row[key] for row in there if row.get(key) is not None]
            line[key] = summarise(values).mean if values else None
            line[f"{key} deviation"] = summarise(values).std if values else None
        found.append(line)
    return found
