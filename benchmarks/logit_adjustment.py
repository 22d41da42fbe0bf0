"""How strongly should rare emotions be favoured? Finished runs, validation only.

    python benchmarks/logit_adjustment.py corpora/meld runs/mini

Prints the mean scores over a run's seeds, with the offsets that `training.logit_adjustment` would
give to its stored validation predictions (or a folder of `mmerc evaluate --split valid --out`).
Runs must be trained without it.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from scipy.special import softmax

from mmerc.data.corpus import PreparedCorpus
from mmerc.evaluation.metrics import score
from mmerc.evaluation.predictions import Predictions
from mmerc.training.prior import rare_class_offsets

STRENGTHS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6)
SMALLEST = 1e-9  # probabilities are stored in half precision


def adjust(predictions: Predictions, counts: torch.Tensor, strength: float) -> Predictions:
    """Add the offsets to the log probabilities."""
    offsets = rare_class_offsets(counts, strength=strength)
    if offsets is None:
        return predictions
    logits = np.log(predictions.probabilities + SMALLEST) + np.asarray(offsets)
    return replace(predictions, probabilities=softmax(logits, axis=1).astype(np.float32))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("corpus", type=Path)
    parser.add_argument("runs", type=Path, nargs="+")
    options = parser.parse_args()
    corpus = PreparedCorpus.load(options.corpus)
    labels = [u.label for c in corpus.splits["train"] for u in c.utterances]
    counts = torch.tensor([labels.count(name) for name in corpus.labels])
    rarest = counts.argsort()[:2].tolist()
    names = [corpus.labels.names[k] for k in rarest]
    print("strength, weighted F1, macro F1,", ", ".join(names))
    for run in options.runs:
        files = [*run.glob("seed-*/predictions-valid.parquet"), *run.glob("predictions.parquet")]
        seeds = [Predictions.load(path) for path in files]
        print(f"{run}, {len(seeds)} seeds")
        for strength in STRENGTHS:
            scores = [score(adjust(seed, counts, strength)) for seed in seeds]
            rows = [
                (s.weighted_f1, s.macro_f1, *(s.per_class_f1[name] for name in names))
                for s in scores
            ]
            print(f"  {strength}", *(f"{value:.2f}" for value in np.mean(rows, axis=0)))


if __name__ == "__main__":
    main()
