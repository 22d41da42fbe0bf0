"""Adapt a model to the user's own set of labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmerc.annotation.rated_lines import read_one_rater
from mmerc.errors import InputError
from mmerc.evaluation.label_head import HeadOutcome, LabelHead, fit_label_head
from mmerc.labels import LabelSet
from mmerc.models.set_scores import SetScores
from mmerc.training.adapt import locate_original, predict_manifest
from mmerc.training.adapted_model import LabelledProbabilities, write_adapted

_FEWEST = 3  # utterances per label; rarer labels may be typing errors


def adapt_to_own_labels(
    model: str | Path, files: Sequence[str | Path], out: str | Path, *, overwrite: bool = False
) -> HeadOutcome:
    """Adapt a model to the labels of manifests, with a head on its log probabilities.

    The model is written to ``out`` if the head is significantly better, on held-out labels, than a
    mapping of the model's labels. InputError for fewer than two labels, very rare labels, too few
    utterances, or a model that is already adapted.
    """
    folder, loaded = locate_original(model, out, overwrite=overwrite)
    paths = [Path(file) for file in files]
    labels = _collect_labels(paths)
    labelled = LabelledProbabilities.join(
        [predict_manifest(loaded, path, labels.names) for path in paths]
    )
    outcome = fit_label_head(
        labelled.log_probabilities, labelled.gold, labelled.conversations, classes=len(labels)
    )
    if outcome.better:
        scores = labelled.calibrate(np.exp(outcome.held_out), outcome, paths)
        write_adapted(
            folder,
            Path(out),
            adaptation=_head_values(outcome.head, labels),
            scores=scores,
            card=_card(outcome, labels, scores, folder.name),
            overwrite=overwrite,
        )
    return outcome


def _collect_labels(paths: Sequence[Path]) -> LabelSet:
    """Collect the labels of all files in alphabetical order; InputError for very rare labels.

    Labels that differ only in case are merged, with the most frequent spelling.
    """
    spellings: Counter[str] = Counter()
    for path in paths:
        spellings.update(line.label for line in read_one_rater(path) if line.label)
    names: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for spelling, count in spellings.most_common():
        counts[names.setdefault(spelling.casefold(), spelling)] += count
    rare = sorted(name for name, count in counts.items() if count < _FEWEST)
    if len(counts) < 2 or rare:
        problem = f"{rare[0]!r} labels fewer than {_FEWEST} utterances" if rare else "one label"
        fix = f"correct it, or label {_FEWEST} utterances or more with each of two or more labels"
        raise InputError(paths[0], problem, fix)
    return LabelSet("own", tuple(sorted(counts)))


def _head_values(head: LabelHead, labels: LabelSet) -> dict[str, object]:
    """Return the head in its saved form."""
    return {
        "weights": head.weights.tolist(),
        "bias": head.bias.tolist(),
        "labels": labels.to_json(),
    }


def _card(outcome: HeadOutcome, labels: LabelSet, scores: SetScores, name: str) -> str:
    """Return the part of the model card about the adaptation."""
    (before, after), (f1_before, f1_after) = outcome.accuracy, outcome.weighted_f1
    return "\n".join(
        [
            f"# {name}, with your own labels\n",
            f"Predicts {', '.join(labels)}: a head on the model's log probabilities, fitted to "
            f"{scores.source}. Measured on labels that it did not see (nested cross-validation "
            "over conversations), compared with the best mapping of the model's labels:\n",
            "| | mapping | head |\n| --- | --- | --- |",
            f"| accuracy | {before:.1f} | {after:.1f} |",
            f"| weighted F1 | {f1_before:.1f} | {f1_after:.1f} |\n",
            f"The log-likelihood per utterance is {outcome.gain:.3f} nats higher (95 % interval "
            f"{outcome.low:.3f} to {outcome.high:.3f}). It is fitted to these recordings; its "
            "scores on them do not hold for others.\n",
            "Prediction sets are calibrated on the same labels, for levels up to "
            f"{100 * outcome.labels / (outcome.labels + 1):.1f} %.\n",
            "The card of the unchanged model, with its own labels, follows.\n",
        ]
    )
