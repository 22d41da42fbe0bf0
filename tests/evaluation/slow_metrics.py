"""Slow, obvious implementations of metrics."""

import numpy as np

from mmerc.evaluation.metrics import score


def measured(predictions, metric):
    """A metric in percent, computed slowly if the result file does not contain it."""
    if metric != "unweighted_recall":
        return getattr(score(predictions), metric)
    right = predictions.gold == predictions.predicted
    return 100 * np.mean(
        [right[predictions.gold == label].mean() for label in set(predictions.gold)]
    )
