"""How strongly should rare emotions be favoured? Predictions of finished runs.

    python benchmarks/logit_adjustment.py corpora/meld runs/mini

Prints the mean scores over a run's seeds, with the offsets that `training.logit_adjustment` would
give to its stored validation predictions (or a folder of `mmerc evaluate --split valid --out`).
Runs must be trained without it. In the second score, every label counts as often as in the training
split: MELD's validation has fewer neutral utterances, which alone favours an adjustment.
`--split test` shows what a strength chosen on validation gives.

    python benchmarks/logit_adjustment.py corpora/meld-folds --folds 5

Instead scores a logistic regression on stored text vectors of the training split (of `mmerc
encode-text --folds`), on held-out conversations.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import confusion, score, weighted_f1_from_confusion
from mmerc.evaluation.predictions import Predictions
from mmerc.training.prior import rare_class_offsets

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SMALLEST = 1e-9  # probabilities are stored in half precision


def adjust(predictions: Predictions, counts: torch.Tensor, strength: float) -> Predictions:
    """Add the offsets to the log probabilities."""
    offsets = rare_class_offsets(counts, strength=strength).numpy()
    logits = np.log(predictions.probabilities + SMALLEST) + offsets
    return replace(predictions, probabilities=softmax(logits, axis=1).astype(np.float32))


def reweighted_f1(predictions: Predictions, counts: torch.Tensor) -> float:
    """Weighted F1 with labels as frequent as in the training split. Shape: counts [K]."""
    matrix = confusion(predictions)
    return float(weighted_f1_from_confusion(matrix * (counts.numpy() / matrix.sum(1))[:, None]))


def list_scores(predictions: Predictions, counts: torch.Tensor, rare: list[str]) -> list[float]:
    """Return the scores of one row; those of ``rare`` labels last."""
    scores = score(predictions)
    rare_f1 = [scores.per_class_f1[name] for name in rare]
    return [scores.weighted_f1, reweighted_f1(predictions, counts), scores.macro_f1, *rare_f1]


def predict_held_out(corpus: PreparedCorpus, folds: int) -> Predictions:
    """Predict the training utterances by models of the other folds' conversations."""
    rows = [(c.id, u) for c in corpus.splits["train"] for u in c.utterances]
    vectors = np.array([corpus.features["text"].vector(c, u.id) for c, u in rows])
    vectors = (vectors - vectors.mean(0)) / (vectors.std(0) + 1e-6)
    gold = np.array([corpus.labels.names.index(u.label) for _, u in rows])
    unknown = np.full(len(rows), np.nan, dtype=np.float32)
    held_out = cross_val_predict(
        LogisticRegression(C=0.003, max_iter=200), vectors, gold,
        groups=[c for c, _ in rows], cv=GroupKFold(folds), method="predict_proba",
    )  # fmt: skip
    return Predictions(
        labels=corpus.labels, conversations=tuple(c for c, _ in rows),
        utterances=tuple(u.id for _, u in rows), gold=gold,
        probabilities=held_out.astype(np.float32), weights={}, similarity=unknown,
        context_weight=unknown,
    )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path, nargs="*")
    parser.add_argument("--folds", type=int)
    parser.add_argument("--split", choices=["valid", "test"], default="valid")
    options = parser.parse_args()
    corpus = PreparedCorpus.load(options.corpus)
    labels = [u.label for c in corpus.splits["train"] for u in c.utterances]
    counts = torch.tensor([labels.count(name) for name in corpus.labels])
    rarest = counts.argsort()[:2].tolist()
    names = [corpus.labels.names[k] for k in rarest]
    print("strength, weighted F1, with training frequencies, macro F1,", ", ".join(names))
    found = {
        str(run): [
            Predictions.load(path)
            for pattern in (f"seed-*/predictions-{options.split}.parquet", "predictions.parquet")
            for path in run.glob(pattern)
        ]
        for run in options.runs
    }
    if options.folds:
        found["held-out training conversations"] = [predict_held_out(corpus, options.folds)]
    for name, seeds in found.items():
        print(f"{name}, {len(seeds)} seeds")
        for strength in STRENGTHS:
            adjusted = [adjust(seed, counts, strength) for seed in seeds]
            rows = [list_scores(predictions, counts, names) for predictions in adjusted]
            print(f"  {strength}", *(f"{value:.2f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
