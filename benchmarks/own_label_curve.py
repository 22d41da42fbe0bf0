"""Gain of `mmerc adapt --own-labels` with 20, 50, 100 and 200 labels of another label set.

Arguments: predictions of MELD's test split (Parquet, from `mmerc evaluate`), and MELD's
`test_sent_emo.csv`, whose three sentiments are the new labels. Conversations are drawn until there
are enough labels; the head is scored on all other conversations. Results are means over several
draws.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path

import numpy as np

from mmerc.evaluation.label_head import fit_label_head
from mmerc.evaluation.predictions import Predictions

SIZES, DRAWS = (20, 50, 100, 200), 12


def read_sentiments(path: str, data: Predictions) -> np.ndarray:
    """Return the sentiment of every predicted utterance, as an index in alphabetical order."""
    with open(path, encoding="utf-8", newline="") as file:
        rows = {
            (f"test_dia{row['Dialogue_ID']}", f"utt{row['Utterance_ID']}"): row["Sentiment"]
            for row in csv.DictReader(file)
        }
    keys = zip(data.conversations, data.utterances, strict=True)
    return np.unique([rows[key] for key in keys], return_inverse=True)[1].astype(np.int64)


def main() -> None:
    data = Predictions.load(Path(sys.argv[1]))
    gold = read_sentiments(sys.argv[2], data)
    logs = np.log(np.maximum(data.probabilities.astype(np.float64), 1e-6))
    names, numbers = np.array(data.conversations), np.random.default_rng(0)
    for size in SIZES:
        kept, right, seconds = [], [], time.process_time()
        for _ in range(DRAWS):
            order = numbers.permutation(np.unique(names))
            counts = np.cumsum([(names == name).sum() for name in order])
            train = np.isin(names, order[: max(int(np.searchsorted(counts, size)) + 1, 3)])
            outcome = fit_label_head(logs[train], gold[train], list(names[train]), classes=3)
            after = outcome.head.apply(logs[~train]).argmax(axis=1)
            kept.append(outcome.better)
            right.append(100 * (after == gold[~train]).mean())
        used = (time.process_time() - seconds) / DRAWS
        print(
            f"{size} labels: better than a mapping, by its interval, in {sum(kept)} of {DRAWS} "
            f"draws; accuracy of the head on the others {np.mean(right):.1f} (deviation "
            f"{np.std(right, ddof=1):.1f}); {used:.1f} processor seconds",
            flush=True,
        )


if __name__ == "__main__":
    main()
