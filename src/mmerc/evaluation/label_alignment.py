"""Score a model on a corpus with other labels, using common names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmerc.errors import InputError
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import UNKNOWN_LABEL, LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelAlignment:
    """The common labels, and the mapping of model and corpus labels to them.

    ``model`` and ``corpus`` map every label to a name in ``common``, or to None (excluded).
    """

    common: LabelSet
    model: Mapping[str, str | None]
    corpus: Mapping[str, str | None]

    def convert(self, predictions: Predictions, gold: Sequence[str | None]) -> Predictions:
        """Return the predictions over the common labels, with the corpus's labels as gold.

        Probabilities of merged labels are added; those of excluded labels are redistributed
        proportionally. ``gold``: the corpus's label per row.
        """
        target = [self.common.index(self.model[name]) for name in predictions.labels]
        mass = np.zeros((len(predictions), len(self.common)))
        for column, index in enumerate(target):
            if index != UNKNOWN_LABEL:
                mass[:, index] += predictions.probabilities[:, column]
        known = [self.common.index(None if name is None else self.corpus[name]) for name in gold]
        return with_probabilities(predictions, mass, labels=self.common, gold=np.array(known))


def align_labels(
    model: LabelSet,
    corpus: LabelSet,
    *,
    model_names: Mapping[str, str | None],
    corpus_names: Mapping[str, str | None],
    where: str,
) -> LabelAlignment:
    """Find the common labels of a model and a corpus, in the model's order.

    ``model_names`` and ``corpus_names`` give each label's common name, None to exclude it. Model
    labels missing in the corpus are excluded. InputError if a corpus label has no counterpart in
    the model, or fewer than two labels are common; ``where`` names the corpus.
    """
    named = {name: model_names[name] for name in model}
    other = {name: corpus_names[name] for name in corpus}
    for label, name in other.items():
        if name is not None and name not in named.values():
            fix = f"map {label!r} to another name, or to null to leave it out, in --labels"
            raise InputError(where, f"the model has no label for {label!r}", fix)
    common = [n for n in dict.fromkeys(named.values()) if n is not None and n in other.values()]
    if len(common) < 2:
        problem = f"has {len(common)} labels in common with the model"
        raise InputError(where, problem, "map two labels or more in --labels")
    kept = {label: name if name in common else None for label, name in named.items()}
    return LabelAlignment(common=LabelSet("common", tuple(common)), model=kept, corpus=other)


def with_probabilities(
    predictions: Predictions,
    mass: NDArray[np.float64],
    *,
    labels: LabelSet,
    gold: NDArray[np.int64],
) -> Predictions:
    """Return the predictions with other labels; rows of ``mass`` are normalised.

    A row without mass becomes uniform. Shape: mass [N, K], gold [N].
    """
    total = mass.sum(axis=1, keepdims=True)
    uniform = np.full_like(mass, 1 / len(labels))
    probabilities = np.where(total > 0, mass / np.where(total > 0, total, 1), uniform)
    return Predictions(
        labels=labels,
        conversations=predictions.conversations,
        utterances=predictions.utterances,
        gold=gold.astype(np.int64),
        probabilities=probabilities.astype(np.float32),
        weights=predictions.weights,
        similarity=predictions.similarity,
        context_weight=predictions.context_weight,
    )
