"""Have CMU-MOSI's published vectors seen the labels? Logistic regression on folds and on test.

Vectors from a network trained on an utterance's label reveal that label: accuracy is nearly perfect
on held-out training videos, but not on test. The last columns mix a share of another vector into
each held-out vector, to find the share that gives equal accuracy.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

SHARES = (0.0, 0.3, 0.5, 0.7, 0.8)
DRAWS = 5


def classifier():
    return make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))


def fold_accuracy(vectors, labels, videos, share: float) -> float:
    """Return the accuracy on held-out videos, with vectors mixed within the fold."""
    chance = np.random.default_rng(0)
    scores = []
    for train, held_out in GroupKFold(5).split(vectors, labels, videos):
        fitted = classifier().fit(vectors[train], labels[train])
        for _ in range(DRAWS):
            others = vectors[chance.choice(held_out, len(held_out))]
            mixed = (1 - share) * vectors[held_out] + share * others
            scores.append(fitted.score(mixed, labels[held_out]))
    return 100 * float(np.mean(scores))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path, help="mosi_trimodal.npz")
    data = np.load(parser.parse_args().file, allow_pickle=False)
    labels = data["train_label"]
    videos = np.array([name.rsplit("_", 1)[0] for name in data["train_utt_id"]])
    print("vectors    test   held-out training videos, share mixed " + " ".join(map(str, SHARES)))
    for name in ("text100", "audio73", "video100"):
        vectors = data[f"train_{name}"]
        fitted = classifier().fit(vectors, labels)
        test = 100 * fitted.score(data[f"test_{name}"], data["test_label"])
        folds = [fold_accuracy(vectors, labels, videos, share) for share in SHARES]
        print(f"{name:9s} {test:5.1f}   " + "  ".join(f"{value:.1f}" for value in folds))


if __name__ == "__main__":
    main()
