"""Labels of a model and a corpus mapped to common names; predictions with the corpus's prior."""

import numpy as np
import pytest

from mmerc.errors import InputError
from mmerc.evaluation.label_alignment import align_labels
from mmerc.evaluation.predictions import Predictions
from mmerc.evaluation.prior_shift import label_shares, match_prior
from mmerc.labels import LabelSet

MODEL = LabelSet("model", ("happy", "excited", "sad", "bored"))
CORPUS = LabelSet("corpus", ("sadness", "joy", "odd"))
MODEL_NAMES = {"happy": "joy", "excited": "joy", "sad": "sadness", "bored": "boredom"}
CORPUS_NAMES = {"sadness": "sadness", "joy": "joy", "odd": None}


def predictions_of(labels, probabilities, gold=None):
    count = len(probabilities)
    return Predictions(
        labels=labels,
        conversations=("c",) * count,
        utterances=tuple(map(str, range(count))),
        gold=np.full(count, -100) if gold is None else np.array(gold),
        probabilities=np.array(probabilities, np.float32),
        weights={},
        similarity=np.full(count, np.nan, np.float32),
        context_weight=np.full(count, np.nan, np.float32),
    )


def align(**changes):
    names = {"model_names": MODEL_NAMES, "corpus_names": CORPUS_NAMES} | changes
    return align_labels(MODEL, CORPUS, **names, where="corpus 'x'")


def test_merged_labels_are_summed_and_dropped_ones_redistributed():
    alignment = align()
    assert alignment.common.names == ("joy", "sadness")
    assert alignment.model == {"happy": "joy", "excited": "joy", "sad": "sadness", "bored": None}
    rows = [[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 0.0, 1.0]]
    converted = alignment.convert(predictions_of(MODEL, rows), ["joy", "odd", None])
    expected = [[0.5, 0.5], [0, 1], [0.5, 0.5]]
    np.testing.assert_allclose(converted.probabilities, expected, atol=1e-6)
    assert converted.gold.tolist() == [0, -100, -100]


def test_label_unknown_to_the_model_is_refused():
    with pytest.raises(InputError, match=r"corpus 'x': the model has no label for 'odd'.*null"):
        align(corpus_names=CORPUS_NAMES | {"odd": "oddness"})


def test_fewer_than_two_labels_are_refused():
    with pytest.raises(InputError, match="has 1 labels in common"):
        align(corpus_names=CORPUS_NAMES | {"joy": None})


def make_shifted(seed, *, shares, count=20_000):
    """Posteriors of a model trained with equal shares on other shares, and the best ones."""
    generator = np.random.default_rng(seed)
    gold = generator.choice(3, count, p=shares)
    centres = np.array([0.0, 1.5, 3.0])
    seen = centres[gold] + generator.normal(size=count)
    likelihood = np.exp(-((seen[:, None] - centres) ** 2) / 2)
    best = likelihood * shares
    equal = likelihood / likelihood.sum(1, keepdims=True)
    return gold, equal, best / best.sum(1, keepdims=True)


def test_known_prior_gives_the_best_posteriors():
    """If only the prior differs, reweighted posteriors equal Bayes' rule."""
    gold, equal, best = make_shifted(0, shares=[0.7, 0.2, 0.1])
    labels = LabelSet("three", ("a", "b", "c"))
    matched = match_prior(predictions_of(labels, equal, gold))
    np.testing.assert_allclose(matched.probabilities, best, atol=0.03)
    means = matched.probabilities.mean(0)
    np.testing.assert_allclose(means, np.bincount(gold) / len(gold), atol=1e-4)


def test_unused_labels_are_never_predicted_and_unlabelled_rows_stay():
    labels = LabelSet("three", ("a", "b", "c"))
    rows = [[0.2, 0.2, 0.6], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8]]
    matched = match_prior(predictions_of(labels, rows, [0, 1, -100]))
    assert (matched.probabilities[:, 2] == 0).all()
    assert matched.gold.tolist() == [0, 1, -100]
    assert label_shares(matched).tolist() == [0.5, 0.5, 0]
    np.testing.assert_allclose(matched.probabilities[:2].mean(0)[:2], 0.5, atol=1e-4)


def test_matching_prior_changes_nothing():
    labels = LabelSet("two", ("a", "b"))
    rows = [[0.7, 0.3], [0.3, 0.7]]
    matched = match_prior(predictions_of(labels, rows, [0, 1]))
    np.testing.assert_allclose(matched.probabilities, rows, atol=1e-5)
