"""Do a model's reported weights agree with the effect of leaving out a modality or the context?

Prints Spearman's rank correlation over the test utterances, within each modality, and how often the
modality with the largest weight has the largest effect on the prediction's probability.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from mmerc.data.corpus import PreparedCorpus
from mmerc.models.registry import load_model
from mmerc.prediction.run_model import build_model_examples, run_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("model", nargs="+")
    arguments = parser.parse_args()
    corpus = PreparedCorpus.load(arguments.corpus)
    for name in arguments.model:
        model = load_model(name)
        examples = build_model_examples(model, corpus.splits["test"], corpus.features)
        answers = run_model(model, examples, effects=True)
        print(name)
        for modality, weight in answers.weights.items():
            print(f"  {modality}: {correlation(weight, answers.effects[modality])}")
        print(f"  context weight: {correlation(answers.context_weight, answers.context_effect)}")
        shown = np.stack([weight.numpy() for weight in answers.weights.values()])
        real = np.stack([answers.effects[m].numpy() for m in answers.weights])
        whole = np.isfinite(shown).all(0) & np.isfinite(real).all(0)
        same = shown[:, whole].argmax(0) == real[:, whole].argmax(0)
        likeliest = np.bincount(real[:, whole].argmax(0)).max() / whole.sum()
        print(f"  largest weight has the largest effect: {same.mean():.1%} of {whole.sum()};")
        print(f"  always choosing the most frequent modality: {likeliest:.1%}")


def correlation(shown: object, real: object) -> str:
    first, second = np.asarray(shown), np.asarray(real)
    both = np.isfinite(first) & np.isfinite(second)
    outcome = spearmanr(first[both], second[both])
    return (
        f"Spearman {outcome.statistic:+.2f} over {both.sum()} utterances, "
        f"mean effect {second[both].mean():+.3f}"
    )


if __name__ == "__main__":
    main()
