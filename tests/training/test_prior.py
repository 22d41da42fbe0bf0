"""Correction of the class frequencies of the training data."""

import json
import math

import pytest
import torch

from mmerc.models.registry import load_model
from mmerc.prediction.run_model import run_model
from mmerc.training.prior import log_prior_ratio, rare_class_offsets
from mmerc.training.run import train_run


def test_unchanged_frequencies_need_no_correction():
    assert not log_prior_ratio(torch.tensor([5, 3, 0])).any()
    assert not log_prior_ratio(torch.tensor([4, 4]), upsampling=1.0).any()


def test_upsampling_and_class_weights():
    counts = torch.tensor([10, 2, 0, 8])
    ratio = log_prior_ratio(counts, upsampling=0.5)  # seen: 10, 5, 0, 8
    expected = [math.log(n / 20) - math.log(s / 23) for n, s in ((10, 10), (2, 5), (8, 8))]
    assert ratio.tolist() == pytest.approx([*expected[:2], 0.0, expected[2]])
    ratio = log_prior_ratio(torch.tensor([10, 2]), class_weights=torch.tensor([0.5, 3.0]))
    assert ratio.tolist() == pytest.approx(
        [math.log(10 / 12 / (5 / 11)), math.log(2 / 12 / (6 / 11))]
    )


def test_correction_restores_the_true_prior():
    """By Bayes' rule, exactly: p(k | x) from q(k | x), for made-up likelihoods."""
    counts = torch.tensor([90, 10])
    likelihood = torch.rand(7, 2, generator=torch.Generator().manual_seed(0)).double()
    seen = torch.tensor([90.0, 45.0], dtype=torch.float64)  # oversampled to half
    logits = (likelihood * seen).log()
    corrected = logits + log_prior_ratio(counts, upsampling=0.5)
    expected = likelihood * counts
    torch.testing.assert_close(corrected.softmax(-1), expected / expected.sum(-1, keepdim=True))


def test_full_strength_gives_every_class_the_same_prior():
    """By Bayes' rule, for made-up likelihoods: p(k | x) / p(k) is proportional to p(x | k)."""
    counts = torch.tensor([90, 10])
    likelihood = torch.rand(7, 2, generator=torch.Generator().manual_seed(0)).double()
    logits = (likelihood * counts).log()
    adjusted = logits + rare_class_offsets(counts, strength=1.0)
    expected = likelihood / likelihood.sum(-1, keepdim=True)
    torch.testing.assert_close(adjusted.softmax(-1), expected)


def test_offsets_favour_rare_classes_but_not_unseen_ones():
    common, rare, unseen = rare_class_offsets(torch.tensor([90, 10, 0]), strength=0.5).tolist()
    assert rare - common == pytest.approx(0.5 * math.log(9))
    assert common + rare == pytest.approx(0.0)
    assert unseen == 0.0
    assert not rare_class_offsets(torch.tensor([90, 10]), strength=0.0).any()
    assert not rare_class_offsets(torch.tensor([5, 5]), strength=0.5).any()


def test_correction_is_saved_and_applied(make_model, make_examples, tmp_path):
    model = make_model("df-erc").eval()
    examples = make_examples([3, 5])
    plain = run_model(model, examples).probabilities
    model.save_pretrained(tmp_path / "plain")
    assert "logit_offsets" not in json.loads((tmp_path / "plain" / "config.json").read_text())
    model.logit_offsets, model.temperature = (0.0, -1.0, 2.0, 0.5), 2.0
    model.save_pretrained(tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.logit_offsets == (0.0, -1.0, 2.0, 0.5)
    corrected = run_model(again, examples, effects=True).probabilities
    expected = ((plain.log() + torch.tensor([0.0, -1.0, 2.0, 0.5])) / 2).softmax(-1)
    torch.testing.assert_close(corrected, expected, rtol=1e-4, atol=1e-6)


def test_a_former_name_of_the_offsets_is_read(make_model, tmp_path):
    make_model("df-erc").save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["log_prior_ratio"] = [0.0, -1.0, 2.0, 0.5]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert load_model(tmp_path).logit_offsets == (0.0, -1.0, 2.0, 0.5)


def test_training_adds_correction_and_adjustment(tiny_recipe, small_corpus, tmp_path):
    recipe = tiny_recipe(epochs=1, prior_correction=True, logit_adjustment=0.3)
    model = recipe.model.model_copy(update={"class_balance": 0.9})
    recipe = recipe.model_copy(update={"model": model})
    train_run(recipe, small_corpus, tmp_path / "run", report=lambda line: None)
    trained = load_model(tmp_path / "run" / "seed-0" / "model")
    counts = _label_counts(small_corpus)
    correction = log_prior_ratio(counts, class_weights=trained.class_weights)
    adjustment = rare_class_offsets(counts, strength=0.3)
    assert trained.logit_offsets == pytest.approx((correction + adjustment).tolist())


def test_training_stores_the_prior_only_on_request(train, tmp_path):
    def ratio(name, **training):
        train(tmp_path / name, epochs=1, **training)
        return load_model(tmp_path / name / "seed-0" / "model").logit_offsets

    assert ratio("plain") is None
    assert ratio("unchanged", prior_correction=True) is None  # nothing was oversampled


def test_class_weights_are_corrected_after_training(tiny_recipe, small_corpus, tmp_path):
    recipe = tiny_recipe(epochs=1, prior_correction=True)
    model = recipe.model.model_copy(update={"class_balance": 0.9})
    recipe = recipe.model_copy(update={"model": model})
    train_run(recipe, small_corpus, tmp_path / "run", report=lambda line: None)
    trained = load_model(tmp_path / "run" / "seed-0" / "model")
    expected = log_prior_ratio(_label_counts(small_corpus), class_weights=trained.class_weights)
    assert trained.logit_offsets == pytest.approx(expected.tolist())
    assert expected.abs().max() > 0.01


def _label_counts(corpus):
    labels = [u.label for c in corpus.splits["train"] for u in c.utterances]
    return torch.tensor([labels.count(name) for name in corpus.labels])
