"""Remarks on why the result of a training may be unreliable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from mmerc.evaluation.metrics import weighted_f1_of_one_label
from mmerc.labels import LabelSet
from mmerc.training.module import AVERAGED, MONITORED, RAW

Weights = Literal["averaged", "raw"]


def kept_weights(epoch: Mapping[str, float]) -> Weights:
    """Return which weights of an epoch (a line of the history) are kept."""
    averaged, raw = (epoch.get(f"{MONITORED}_{name}") for name in (AVERAGED, RAW))
    return "raw" if averaged is None or raw is None or raw > averaged else "averaged"


def remark_on_warmup(*, steps: int, warmup: int) -> str | None:
    """Return a remark if a training ended within its warm-up."""
    if steps > warmup:
        return None
    return (
        f"training ended after {steps} steps, within its warm-up of {warmup}; set "
        "training.warmup_share, or train longer with training.minimum_steps"
    )


def remark_on_majority(
    score: float, *, training: Sequence[int], validation: Sequence[int], labels: LabelSet
) -> str | None:
    """Return a remark if weighted F1 on validation is below the majority baseline.

    ``training`` and ``validation`` are the labels of the utterances, negative where unknown.
    """
    counts = np.bincount([label for label in training if label >= 0], minlength=len(labels))
    most_frequent = int(counts.argmax())
    known = [label for label in validation if label >= 0]
    majority = weighted_f1_of_one_label(known.count(most_frequent) / max(1, len(known)))
    if score >= majority - 1e-6:
        return None
    return (
        f"the best epoch's weighted F1 on validation, {score:.2f}, is below that of always "
        f"predicting {labels.names[most_frequent]}, {majority:.2f}; the model learnt nothing useful"
    )


def remark_on_soft_labels(*, present: bool, weight: float) -> str | None:
    """Return a remark if soft labels are not used, or are missing."""
    if present and weight == 0:
        return (
            "the corpus has soft labels, which training did not use; set "
            "training.soft_label_weight to use them"
        )
    if not present and weight > 0:
        return (
            "training.soft_label_weight had no effect, because the training split has no soft "
            "labels; add them with `mmerc soft-labels`"
        )
    return None


def remark_on_averaging(history: Sequence[Mapping[str, float]]) -> str | None:
    """Return a remark if averaged weights are worse on validation than unaveraged ones."""
    scores = {
        name: max((row.get(f"{MONITORED}_{name}", -1.0) for row in history), default=-1.0)
        for name in (AVERAGED, RAW)
    }
    if scores[RAW] <= scores[AVERAGED] or scores[AVERAGED] < 0:
        return None
    return (
        f"averaged weights are worse on validation than raw ones, {scores[AVERAGED]:.2f} against "
        f"{scores[RAW]:.2f}; the raw ones are kept"
    )
