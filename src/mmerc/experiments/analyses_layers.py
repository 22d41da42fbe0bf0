"""What DQ-Former's confidences say, layer by layer and utterance by utterance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES
from mmerc.errors import InputError
from mmerc.experiments.analyses import Rows
from mmerc.experiments.analyses_inside import seen
from mmerc.experiments.inside import Inside
from mmerc.experiments.inside_systems import confidences
from mmerc.experiments.measured import Measured
from mmerc.models.dq_former.config import DqFormerConfig

Kind = Literal["text-dominated", "audio-dominated"]
QUANTILES = {"lowest": 0.05, "lower": 0.25, "median": 0.5, "upper": 0.75, "highest": 0.95}
CASES = 2  # of each kind


def tables(item: Measured) -> list[Inside]:
    """Confidences and single heads of every seed, where no modality is absent.

    Where one is, the others' confidences are higher whatever they say.
    """
    return [
        of_all(seen(item, place, "confidences", confidences, np.arange(len(made), dtype=np.intp)))
        for place, made in enumerate(item.test)
    ]


def of_all(table: Inside) -> Inside:
    """Utterances of which no modality is absent."""
    whole = np.all([table[name] >= 0 for name in table if name.startswith("alone_")], axis=0)
    return {name: values[whole] for name, values in table.items()}


def threshold(item: Measured) -> float:
    """The model's tau."""
    return cast(DqFormerConfig, item.run.recipe.model).threshold


def layer_confidence(item: Measured) -> Rows:
    """Quantiles of every layer's confidence, all seeds together (DQ-Former, Figure 3)."""
    found = tables(item)
    rows: Rows = []
    for m in (m for m in MODALITIES if f"confidence_{m}" in found[0]):
        values = np.concatenate([table[f"confidence_{m}"] for table in found])
        for layer in range(values.shape[1]):
            rows.append(
                {"modality": m, "layer": layer + 1, "utterances": len(values)}
                | {n: float(np.quantile(values[:, layer], q)) for n, q in QUANTILES.items()}
                | {"masked share": float((values[:, layer] == 0).mean())}
            )
    return rows


def dominance(item: Measured) -> Rows:
    """Acoustic confidence in the last layer but one, by kind (DQ-Former, Figure 4)."""
    rows: Rows = []
    for seed, table in zip(item.seeds, tables(item), strict=True):
        audio = penultimate(table)
        for kind, chosen in kinds(table).items():
            rows += [
                {"kind": kind, "seed": seed, "confidence": float(audio[place])} for place in chosen
            ]
    return some(rows)


def cases(item: Measured) -> Rows:
    """Four utterances, their confidences and what each head says (DQ-Former, Figure 5)."""
    (table, *_), labels = tables(item), item.test[0].labels.names
    audio = penultimate(table)
    rows: Rows = []
    for kind, chosen in kinds(table).items():
        sign = -1 if kind == "audio-dominated" else 1
        ordered = chosen[np.argsort(sign * audio[chosen], kind="stable")][:CASES]
        for number, place in enumerate(ordered, start=1):
            head = {"kind": kind, "case": number, "gold": labels[int(table["gold"][place])]}
            rows += case_rows(head, table, int(place), labels)
    return some(rows)


def some(rows: Rows) -> Rows:
    """The rows; InputError where there is none to draw."""
    if not rows:
        problem = "no test utterance is text-dominated or audio-dominated"
        raise InputError("acoustic confidence by kind", problem, "train longer or on more")
    return rows


def case_rows(head: Mapping[str, Any], table: Inside, place: int, labels: tuple[str, ...]) -> Rows:
    """One utterance: a row a modality and layer."""
    rows: Rows = []
    for m in (m for m in MODALITIES if f"confidence_{m}" in table):
        says = labels[int(table[f"alone_{m}"][place])]
        for layer, value in enumerate(table[f"confidence_{m}"][place], start=1):
            rows.append(
                {**head, "modality": m, "alone": says, "layer": layer, "confidence": float(value)}
            )
    return rows


def penultimate(table: Inside) -> NDArray[Any]:
    """Audio's confidence in the last layer but one (in the only one where there is but one)."""
    layers = table["confidence_audio"]
    return np.asarray(layers[:, max(0, layers.shape[1] - 2)])


def kinds(table: Inside) -> dict[Kind, NDArray[np.intp]]:
    """Utterances that the model names rightly, and exactly one of two modalities does too."""
    gold = table["gold"]
    whole = (gold >= 0) & (table["predicted"] == gold)
    text, audio = (table[f"alone_{m}"] == gold for m in ("text", "audio"))
    return {
        "audio-dominated": np.flatnonzero(whole & audio & ~text),
        "text-dominated": np.flatnonzero(whole & text & ~audio),
    }
