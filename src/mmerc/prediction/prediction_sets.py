"""Prediction sets of utterances, from the scores stored with the model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Modality
from mmerc.errors import InputError
from mmerc.evaluation.conformal import conformal_threshold, label_sets, smallest_count
from mmerc.models.base import AnyModel
from mmerc.models.set_scores import ModalityScores, SetScores
from mmerc.prediction.run_model import PredictionTensors
from mmerc.prediction.set_request import SetRequest

_HOW = "package its run again with `mmerc package`, or adapt it to your labels with `mmerc adapt`"


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionSet:
    """The possible labels of an utterance, most probable first.

    ``unsure``: there are too many, or the utterance has no usable modality.
    """

    labels: tuple[str, ...]
    unsure: bool


def check_set_request(model: AnyModel, request: SetRequest, name: str) -> SetScores:
    """Return the scores for building sets; InputError if the model has too few or none."""
    scores = model.set_scores
    if scores is None:
        raise InputError(name, "no scores for prediction sets are stored with the model", _HOW)
    fewest = min(item.every.count for item in scores.by_modalities.values())
    if fewest < smallest_count(request.level):
        problem = f"its sets are from {fewest} labelled utterances, too few for {request.level:g}"
        fix = f"adapt it to {smallest_count(request.level)} labels or more, or ask for less"
        raise InputError(name, problem, fix)
    return scores


def build_sets(
    model: AnyModel, output: PredictionTensors, request: SetRequest
) -> list[PredictionSet]:
    """Return the set of each utterance; InputError if the model has no scores for them."""
    scores = check_set_request(model, request, model.name)
    probabilities = output.probabilities.double().numpy()
    sets: list[PredictionSet | None] = [None] * len(probabilities)
    for modalities, rows in _group_rows(output.used, len(probabilities)):
        stored = scores.find(modalities)
        sure = stored is not None and bool(modalities or not model.inputs.output_widths)
        chosen = (
            label_sets(probabilities[rows], stored.method, find_thresholds(stored, request))
            if stored is not None and sure
            else np.ones((len(rows), len(model.labels)), dtype=np.bool_)
        )
        for row, labels in zip(rows.tolist(), chosen, strict=True):
            order = np.argsort(-probabilities[row], kind="stable")
            names = tuple(model.labels.names[k] for k in order if labels[k])
            unsure = not sure or len(names) > request.most_labels
            sets[row] = PredictionSet(labels=names, unsure=unsure)
    return [item for item in sets if item is not None]


def _group_rows(
    used: Mapping[Modality, object], count: int
) -> Iterator[tuple[tuple[Modality, ...], NDArray[np.intp]]]:
    """Return the rows for each set of modalities used."""
    names = tuple(used)
    table = np.array([np.asarray(used[m], dtype=np.bool_) for m in names]).reshape(-1, count).T
    for pattern in np.unique(table, axis=0):
        rows = np.flatnonzero((table == pattern).all(axis=1))
        yield tuple(m for m, present in zip(names, pattern, strict=True) if present), rows


def find_thresholds(stored: ModalityScores, request: SetRequest) -> NDArray[np.float64]:
    """Return the largest score within a set. Shape: -> [1], or [K] for class-conditional sets."""
    grids = stored.by_label if request.class_conditional else (stored.every,)
    return np.array([conformal_threshold(g.grid, g.count, request.level) for g in grids])
