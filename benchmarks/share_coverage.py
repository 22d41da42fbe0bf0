"""Do the intervals of corrected shares cover the true shares?

Uses a file of predictions with gold labels (`mmerc evaluate ... --out`): 1,000 random samples of 50
or 200 gold labels; the estimated shares are compared with the gold shares of all utterances.
Arguments: PREDICTIONS.parquet, and the number of samples.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mmerc.evaluation import corrected_shares
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import UNKNOWN_LABEL

SIZES = (50, 200)
DRAWS = 1000


def simulate(predictions: Predictions, size: int, samples: int, *, known: bool) -> None:
    """Print coverage and bias for samples of one size."""
    names, gold = predictions.labels.names, predictions.gold
    true = np.bincount(gold, minlength=len(names)) / len(gold)
    probabilities = predictions.probabilities.astype(float) if known else None
    numbers = np.random.default_rng(size)
    covered, estimates, widths = [], [], []
    for number in range(samples):
        labelled = np.full_like(gold, UNKNOWN_LABEL)
        chosen = numbers.choice(len(gold), size=size, replace=False)
        labelled[chosen] = gold[chosen]
        (group,) = corrected_shares.correct_shares(
            predictions.predicted, labelled, labels=names, probabilities=probabilities,
            draws=DRAWS, seed=number,
        )  # fmt: skip
        low, high = (np.array([getattr(s, end) for s in group.shares]) for end in ("low", "high"))
        covered.append((low <= true + 1e-12) & (true <= high + 1e-12))
        estimates.append([share.share for share in group.shares])
        widths.append(high - low)
    naive = np.array([share.naive for share in group.shares])
    bias, naive_bias = np.mean(estimates, axis=0) - true, naive - true
    error = 100 * np.abs(np.array(estimates) - true).mean()
    title = f"{size} labels{'' if known else ', no probabilities'}"
    rates = 100 * np.mean(covered, axis=0)
    print(
        f"{title}: coverage {np.mean(rates):.1f} %, "
        f"mean width {100 * np.mean(widths):.1f} points, "
        f"mean absolute bias {100 * np.abs(bias).mean():.2f} "
        f"(naive {100 * np.abs(naive_bias).mean():.2f}), "
        f"mean absolute error {error:.2f}"
    )
    for k, name in enumerate(names):
        print(
            f"  {name:10} true {100 * true[k]:5.1f}  coverage {rates[k]:5.1f}  "
            f"bias {100 * bias[k]:+5.2f}  naive {100 * naive_bias[k]:+5.2f}"
        )


def main() -> None:
    predictions = Predictions.load(Path(sys.argv[1])).with_gold()
    samples = int(sys.argv[2]) if len(sys.argv) > 2 else 1000
    for size in SIZES:
        for known in (True, False):
            simulate(predictions, size, samples, known=known)


if __name__ == "__main__":
    main()
