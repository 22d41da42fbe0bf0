"""Accuracy, F1 and calibration of predictions, in percent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import log_loss

from mmerc.errors import InputError
from mmerc.evaluation.predictions import Predictions

Metric = Literal["accuracy", "weighted_f1", "macro_f1", "unweighted_recall"]
METRICS: tuple[Metric, ...] = get_args(Metric)
_Confusions = NDArray[np.int64] | NDArray[np.float64]
_CALIBRATION_BINS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Scores:
    """Scores in percent (0 to 100), except ``negative_log_likelihood``, which is in nats.

    ``per_class_f1`` and its mean ``macro_f1`` cover the labels that occur in gold.
    """

    accuracy: float
    weighted_f1: float
    macro_f1: float
    per_class_f1: Mapping[str, float]
    calibration_error: float
    negative_log_likelihood: float
    utterances: int

    def to_json(self) -> dict[str, object]:
        """Return the scores as in a result file, with four decimals."""
        return {
            "accuracy": round(self.accuracy, 4),
            "weighted_f1": round(self.weighted_f1, 4),
            "macro_f1": round(self.macro_f1, 4),
            "per_class_f1": {label: round(f1, 4) for label, f1 in self.per_class_f1.items()},
            "calibration_error": round(self.calibration_error, 4),
            "utterances": self.utterances,
        }


def score(predictions: Predictions) -> Scores:
    """Score the utterances with a gold label; InputError if there are none."""
    scored = labelled(predictions)
    matrix = confusion(scored)
    pairs = zip(scored.labels, class_f1(matrix), matrix.sum(axis=1), strict=True)
    return Scores(
        accuracy=float(_accuracy_from_confusion(matrix)),
        weighted_f1=float(weighted_f1_from_confusion(matrix)),
        macro_f1=float(_macro_f1_from_confusion(matrix)),
        per_class_f1={label: float(f1) for label, f1, support in pairs if support},
        calibration_error=calibration_error(scored),
        negative_log_likelihood=negative_log_likelihood(scored),
        utterances=len(scored),
    )


def labelled(predictions: Predictions) -> Predictions:
    """Return the rows with a gold label; InputError if there is none."""
    scored = predictions.with_gold()
    if not len(scored):
        fix = "score a split whose utterances have labels"
        raise InputError("predictions", "no utterance has a gold label", fix)
    return scored


def confusion(predictions: Predictions) -> NDArray[np.int64]:
    """Count labelled utterances by gold and predicted label.

    Shape: [K, K], rows gold, columns predicted.
    """
    scored, count = predictions.with_gold(), len(predictions.labels)
    cells = scored.gold * count + scored.predicted
    return np.bincount(cells, minlength=count**2).reshape(count, count).astype(np.int64)


def class_f1(confusions: _Confusions) -> NDArray[np.float64]:
    """Compute each label's F1 in percent; 0 for a label that is neither gold nor predicted.

    Shape: confusions [..., K, K] -> [..., K].
    """
    hits = np.diagonal(confusions, axis1=-2, axis2=-1)
    sizes = confusions.sum(axis=-1) + confusions.sum(axis=-2)
    return np.asarray(200.0 * hits / np.maximum(sizes, 1))


def weighted_f1_from_confusion(confusions: _Confusions) -> NDArray[np.float64]:
    """Compute F1 in percent, weighted by gold frequency.

    Shape: confusions [..., K, K], none of them empty -> [...].
    """
    support = confusions.sum(axis=-1)
    weighted = (class_f1(confusions) * support).sum(axis=-1)
    return np.asarray(weighted / support.sum(axis=-1))


def _macro_f1_from_confusion(confusions: _Confusions) -> NDArray[np.float64]:
    """Mean F1 in percent over the labels that occur in gold.

    Shape: confusions [..., K, K], none of them empty -> [...].
    """
    occurs = confusions.sum(axis=-1) > 0
    return np.asarray((class_f1(confusions) * occurs).sum(axis=-1) / occurs.sum(axis=-1))


def weighted_f1_of_one_label(share: float) -> float:
    """Return the weighted F1 in percent of always predicting a label with this gold share."""
    return 100 * share * 2 * share / (1 + share)


def _accuracy_from_confusion(confusions: _Confusions) -> NDArray[np.float64]:
    """Accuracy in percent.

    Shape: confusions [..., K, K], none of them empty -> [...].
    """
    hits = np.diagonal(confusions, axis1=-2, axis2=-1).sum(axis=-1)
    return np.asarray(100.0 * hits / confusions.sum(axis=(-2, -1)))


def _unweighted_recall_from_confusion(confusions: _Confusions) -> NDArray[np.float64]:
    """Mean recall in percent over the labels that occur in gold.

    Shape: confusions [..., K, K], none of them empty -> [...].
    """
    support = confusions.sum(axis=-1)
    recall = 100.0 * np.diagonal(confusions, axis1=-2, axis2=-1) / np.maximum(support, 1)
    return np.asarray(recall.sum(axis=-1) / (support > 0).sum(axis=-1))


FROM_CONFUSION: Mapping[Metric, Callable[[_Confusions], NDArray[np.float64]]] = {
    "accuracy": _accuracy_from_confusion,
    "weighted_f1": weighted_f1_from_confusion,
    "macro_f1": _macro_f1_from_confusion,
    "unweighted_recall": _unweighted_recall_from_confusion,
}


def calibration_error(predictions: Predictions) -> float:
    """Expected calibration error in percent (``expected_calibration_error``)."""
    scored = labelled(predictions)
    return expected_calibration_error(scored.gold, scored.probabilities)


def expected_calibration_error(
    gold: NDArray[np.int64], probabilities: NDArray[np.floating[Any]]
) -> float:
    """Expected calibration error in percent (Guo et al. 2017, Eq. 3).

    15 bins of equal width for the top probability, open below and closed above.

    Shape: gold [U], probabilities [U, K].
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    gaps = (probabilities.argmax(axis=1) == gold) - confidence
    edges = np.linspace(0, 1, _CALIBRATION_BINS + 1)[1:-1]
    bins = np.digitize(confidence, edges, right=True)
    return float(100.0 * np.abs(np.bincount(bins, weights=gaps)).sum() / len(gold))


def negative_log_likelihood(predictions: Predictions) -> float:
    """Mean negative log probability of the gold label, in nats."""
    scored = labelled(predictions)
    probabilities = scored.probabilities.astype(np.float64)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return float(log_loss(scored.gold, probabilities, labels=np.arange(len(scored.labels))))
