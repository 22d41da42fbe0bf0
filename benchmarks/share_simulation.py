"""Coverage of corrected shares in simulated studies, for several priors.

Model probabilities come from predictions with gold labels (`mmerc evaluate --split valid --out`);
labels are drawn from them, unchanged or distorted by a random factor per label. Other studies are
drawn from random confusion matrices, with probabilities that do not match the label shares.
Argument: PREDICTIONS.parquet. Prints the coverage of 95 % intervals for four ranges of true shares,
and its mean deviation from 95 %.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mmerc.evaluation import corrected_shares
from mmerc.evaluation.predictions import Predictions
from mmerc.labels import UNKNOWN_LABEL

UTTERANCES, STUDIES, DRAWS, FEWEST = 2610, 40, 400, 80
SAMPLES = {50: 6, 200: 2}  # number of labels -> samples per study
PRIORS = ((1.0, 0.1), (4.0, 0.0))
RANGES = ((0.0, 0.01), (0.01, 0.03), (0.03, 0.1), (0.1, 1.01))


class Study(NamedTuple):
    """Shape: probabilities [N, K], predicted and gold [N]."""

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    gold: NDArray[np.int64]


def draw_labels(
    probabilities: NDArray[np.float64], numbers: np.random.Generator
) -> NDArray[np.int64]:
    chosen = probabilities.cumsum(axis=1) > numbers.random((len(probabilities), 1))
    return chosen.argmax(axis=1)


def distorted_studies(
    known: NDArray[np.float64], deviation: float, numbers: np.random.Generator
) -> Iterator[Study]:
    """Draw labels from the model's probabilities, with distorted shares and sharpness."""
    for _ in range(STUDIES):
        probabilities = known[numbers.choice(len(known), UTTERANCES)]
        sharpness = numbers.uniform(0.6, 1.2) if deviation else 1.0
        factors = numbers.normal(0, deviation, known.shape[1])
        true = np.exp(np.log(np.maximum(probabilities, 1e-9)) * sharpness + factors)
        gold = draw_labels(true / true.sum(axis=1, keepdims=True), numbers)
        yield Study(probabilities, probabilities.argmax(axis=1), gold)


def random_studies(numbers: np.random.Generator) -> Iterator[Study]:
    """Draw random confusion matrices and shares, for three to eight labels."""
    for _ in range(STUDIES):
        count = int(numbers.integers(3, 9))
        shares, right = numbers.dirichlet(np.ones(count)), numbers.uniform(0.4, 0.9)
        centre = right * np.eye(count) + (1 - right) * shares
        confusion = np.array([numbers.dirichlet(8 * row + 0.05) for row in centre])
        gold = numbers.choice(count, UTTERANCES, p=shares)
        believed = shares * np.exp(numbers.normal(0, 0.5, count))
        posterior = (confusion * believed[:, None]).T + 1e-6
        posterior /= posterior.sum(axis=1, keepdims=True)
        predicted = draw_labels(confusion[gold], numbers)
        yield Study(posterior[predicted], predicted, gold)


def measure(
    study: Study, size: int, known: bool, numbers: np.random.Generator
) -> NDArray[np.float64]:
    """Return true shares, and whether a sample's intervals contain them. Shape: -> [K, 2]."""
    count = study.probabilities.shape[1]
    true = np.bincount(study.gold, minlength=count) / UTTERANCES
    labelled = np.full(UTTERANCES, UNKNOWN_LABEL)
    chosen = numbers.choice(UTTERANCES, size, replace=False)
    labelled[chosen] = study.gold[chosen]
    (group,) = corrected_shares.correct_shares(
        study.predicted, labelled, labels=[str(k) for k in range(count)],
        probabilities=study.probabilities if known else None, draws=DRAWS,
    )  # fmt: skip
    inside = [s.low - 1e-12 <= t <= s.high + 1e-12 for s, t in zip(group.shares, true, strict=True)]
    return np.column_stack([true, inside])


def main() -> None:
    known = Predictions.load(Path(sys.argv[1])).with_gold().probabilities.astype(float)
    numbers = np.random.default_rng(11)
    kinds = {f"distorted {d}": list(distorted_studies(known, d, numbers)) for d in (0.0, 0.4, 0.7)}
    kinds["random confusion"] = list(random_studies(numbers))
    for size, samples in SAMPLES.items():
        for given in (True, False):
            for prior in PRIORS:
                corrected_shares.PRIOR_STRENGTH, corrected_shares.CELL_PRIOR = prior
                distances = []
                for kind, studies in kinds.items():
                    draws = np.random.default_rng(7)
                    rows = [measure(s, size, given, draws) for s in studies for _ in range(samples)]
                    true, inside = np.concatenate(rows).T
                    ranges = [inside[(low <= true) & (true < high)] for low, high in RANGES]
                    rates = [100 * r.mean() if len(r) >= FEWEST else np.nan for r in ranges]
                    distances += [abs(rate - 95) for rate in rates if not np.isnan(rate)]
                    print(f"  {kind:17}", " ".join(f"{rate:6.1f}" for rate in rates), flush=True)
                name = "with" if given else "without"
                print(
                    f"{size} labels {name} probabilities, prior {prior}: {np.mean(distances):.2f}"
                )


if __name__ == "__main__":
    main()
