"""Gain of `mmerc adapt` with 20, 50, 100 and 200 labels.

Arguments: a model and a manifest with labels; or predictions of a labelled corpus (Parquet, from
`prediction_sets.py measure --out` or `mmerc evaluate`), and optionally LABEL=SHARE: keep only this
random share of the utterances with the label. Conversations are drawn until there are enough
labels; the model is adapted to them (or unchanged, if not significantly better) and scored on all
other conversations. Results are means over several draws.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np

from mmerc.evaluation.logit_adaptation import adapt_logits
from mmerc.evaluation.predictions import Predictions
from mmerc.models.registry import load_model
from mmerc.training.adapt import read_labelled

SIZES, DRAWS = (20, 50, 100, 200), 12


def make_rarer(data: Predictions, change: str) -> Predictions:
    """Drop utterances with a label, for example four of five with "neutral=0.2"."""
    label, _, share = change.partition("=")
    chosen = data.gold == data.labels.names.index(label)
    kept = ~chosen | (np.random.default_rng(1).random(len(chosen)) < float(share))
    return data.where(kept)


def main() -> None:
    if sys.argv[1].endswith(".parquet"):
        data = Predictions.load(Path(sys.argv[1])).with_gold()
        data = make_rarer(data, sys.argv[2]) if len(sys.argv) > 2 else data
    else:
        data = read_labelled(load_model(sys.argv[1]), Path(sys.argv[2]))
    probabilities = data.probabilities.astype(np.float64)
    logs, names = np.log(np.maximum(probabilities, 1e-6)), np.array(data.conversations)
    numbers = np.random.default_rng(0)
    for size in SIZES:
        kept, gains, right, seconds = [], [], [], time.process_time()
        for _ in range(DRAWS):
            order = numbers.permutation(np.unique(names))
            counts = np.cumsum([(names == name).sum() for name in order])
            train = np.isin(names, order[: max(int(np.searchsorted(counts, size)) + 1, 3)])
            outcome = adapt_logits(logs[train], data.gold[train], list(names[train]))
            before, gold = logs[~train], data.gold[~train]
            after = outcome.map.apply(before) if outcome.better else before
            rows = np.arange(len(gold))
            kept.append(outcome.better)
            gains.append((after[rows, gold] - before[rows, gold]).mean())
            right.append(
                [100 * (values.argmax(axis=1) == gold).mean() for values in (before, after)]
            )
        used = (time.process_time() - seconds) / DRAWS
        (one, other), spread = np.mean(right, axis=0), np.diff(right, axis=1).std(ddof=1)
        print(
            f"{size} labels: adapted in {sum(kept)} of {DRAWS} draws, accuracy of the others "
            f"{one:.1f} -> {other:.1f} (deviation of the difference {spread:.1f}), log-likelihood "
            f"{np.mean(gains):+.3f} nats; {used:.1f} processor seconds",
            flush=True,
        )


if __name__ == "__main__":
    main()
