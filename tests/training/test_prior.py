"""Correction of the class frequencies of the training data."""

import json
import math

import pytest
import torch

from mmerc.models.registry import load_model
from mmerc.prediction.run_model import run_model
from mmerc.training.prior import log_prior_ratio
from mmerc.training.run import train_run


def test_unchanged_frequencies_need_no_correction():
    assert log_prior_ratio(torch.tensor([5, 3, 0])) is None
    assert log_prior_ratio(torch.tensor([4, 4]), upsampling=1.0) is None


def test_upsampling_and_class_weights():
    counts = torch.tensor([10, 2, 0, 8])
    ratio = log_prior_ratio(counts, upsampling=0.5)  # seen: 10, 5, 0, 8
    expected = [math.log(n / 20) - math.log(s / 23) for n, s in ((10, 10), (2, 5), (8, 8))]
    assert ratio == pytest.approx([*expected[:2], 0.0, expected[2]])
    ratio = log_prior_ratio(torch.tensor([10, 2]), class_weights=torch.tensor([0.5, 3.0]))
    assert ratio == pytest.approx([math.log(10 / 12 / (5 / 11)), math.log(2 / 12 / (6 / 11))])


def test_correction_restores_the_true_prior():
    """By Bayes' rule, exactly: p(k | x) from q(k | x), for made-up likelihoods."""
    counts = torch.tensor([90, 10])
    likelihood = torch.rand(7, 2, generator=torch.Generator().manual_seed(0)).double()
    seen = torch.tensor([90.0, 45.0], dtype=torch.float64)  # oversampled to half
    logits = (likelihood * seen).log()
    corrected = logits + torch.tensor(log_prior_ratio(counts, upsampling=0.5))
    expected = likelihood * counts
    torch.testing.assert_close(corrected.softmax(-1), expected / expected.sum(-1, keepdim=True))


def test_correction_is_saved_and_applied(make_model, make_examples, tmp_path):
    model = make_model("df-erc").eval()
    examples = make_examples([3, 5])
    plain = run_model(model, examples).probabilities
    model.save_pretrained(tmp_path / "plain")
    assert "log_prior_ratio" not in json.loads((tmp_path / "plain" / "config.json").read_text())
    model.log_prior_ratio, model.temperature = (0.0, -1.0, 2.0, 0.5), 2.0
    model.save_pretrained(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.log_prior_ratio == (0.0, -1.0, 2.0, 0.5)
    corrected = run_model(again, examples, effects=True).probabilities
    expected = ((plain.log() + torch.tensor([0.0, -1.0, 2.0, 0.5])) / 2).softmax(-1)
    torch.testing.assert_close(corrected, expected, rtol=1e-4, atol=1e-6)


def test_training_stores_the_prior_only_on_request(train, tmp_path):
    def ratio(name, **training):
        train(tmp_path / name, epochs=1, **training)
        return load_model(tmp_path / name / "seed-0" / "model").log_prior_ratio

    assert ratio("plain") is None
    assert ratio("unchanged", prior_correction=True) is None  # nothing was oversampled


def test_class_weights_are_corrected_after_training(tiny_recipe, small_corpus, tmp_path):
    recipe = tiny_recipe(epochs=1, prior_correction=True)
    model = recipe.model.model_copy(update={"class_balance": 0.9})
    recipe = recipe.model_copy(update={"model": model})
    train_run(recipe, small_corpus, tmp_path / "run", report=lambda line: None)
    trained = load_model(tmp_path / "run" / "seed-0" / "model")
    labels = [u.label for c in small_corpus.splits["train"] for u in c.utterances]
    counts = torch.tensor([labels.count(name) for name in small_corpus.labels])
    expected = log_prior_ratio(counts, class_weights=trained.class_weights)
    assert trained.log_prior_ratio == pytest.approx(expected)
    assert max(map(abs, expected)) > 0.01
