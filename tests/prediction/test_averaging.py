"""The mean over sets of modalities, compared with predicting each set by hand."""

import math

import pytest
import torch

from mmerc.labels import LabelSet
from mmerc.models.adaptation import LogitAdaptation
from mmerc.models.set_scores import modality_key
from mmerc.prediction import averaging
from mmerc.prediction.averaging import (
    predict_probabilities,
    predict_sets,
    share_of,
    without_modality,
)
from mmerc.prediction.effects import predict_with_effects, split_conversations

NAMES = ("text", "audio", "video")
SETS = (NAMES, ("text", "video"), ("audio", "video"), ("text",))
SIZES = (5, 3)


@pytest.fixture
def model(make_model):
    """A model with a temperature for each set."""
    model = make_model("df-erc", dropout=0.0).eval()
    model.temperatures = {modality_key(s): 0.5 + 0.4 * n for n, s in enumerate(SETS)}
    model.temperatures |= {"audio": 3.0, "video": 2.0, "text+audio": 0.7}
    model.logit_offsets = tuple(0.3 * k for k in range(len(model.labels)))
    return model


@pytest.fixture
def batch(make_batch):
    return make_batch(SIZES, absent=0.3)


def draw_weights(batch, seed=0):
    drawn = torch.rand(len(SETS), *batch.mask.shape, generator=torch.Generator().manual_seed(seed))
    drawn[2, :, 1] = 0.0
    return dict(zip(SETS, drawn / drawn.sum(0), strict=True))


def only(batch, modalities):
    return batch.with_present({m: at & (m in modalities) for m, at in batch.present.items()})


def slow_mean(model, batch, weights, row, n):
    """The mean probabilities of one utterance, before an adaptation."""
    total, mean = sum(float(weight[row, n]) for weight in weights.values()), 0.0
    for modalities, weight in weights.items():
        logits = model(only(batch, modalities)).logits[row, n]
        given = [m for m in modalities if batch.present[m][row, n]]
        temperature = model.temperatures.get(modality_key(given), model.temperature)
        offset = [z + o for z, o in zip(logits.tolist(), model.logit_offsets, strict=True)]
        powers = [math.exp(z / temperature) for z in offset]
        share = float(weight[row, n]) / total
        mean = mean + share * torch.tensor([power / sum(powers) for power in powers])
    return mean


def utterances(batch):
    return [(row, n) for row, size in enumerate(SIZES) for n in range(size)]


@torch.no_grad()
def test_probabilities_are_the_weighted_mean(model, batch):
    weights = draw_weights(batch)
    output = predict_sets(model, batch, SETS).average(weights)
    for row, n in utterances(batch):
        expected = slow_mean(model, batch, weights, row, n)
        torch.testing.assert_close(output.probabilities[row, n], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_adaptation_applies_to_the_mean(model, batch):
    weights, classes = draw_weights(batch), len(model.labels)
    matrix = torch.randn(classes, 2, generator=torch.Generator().manual_seed(0))
    model.adaptation = LogitAdaptation(
        weights=tuple(map(tuple, matrix.tolist())),
        bias=(0.1, -0.2),
        labels=LabelSet(name="ab", names=("a", "b")),
    )
    output = predict_sets(model, batch, SETS).average(weights)
    for row, n in utterances(batch):
        mean = slow_mean(model, batch, weights, row, n)
        expected = (mean.log() @ matrix + torch.tensor([0.1, -0.2])).softmax(-1)
        torch.testing.assert_close(output.probabilities[row, n], expected, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_explanations_are_weighted_means(model, batch):
    weights = draw_weights(batch)
    averaged = predict_sets(model, batch, SETS).average(weights)
    outputs = {s: model(only(batch, s)) for s in SETS}
    for row, n in utterances(batch):
        shares = {s: float(weight[row, n]) for s, weight in weights.items()}
        for m in NAMES:
            expected = sum(shares[s] * outputs[s].explanation.weights[m][row, n] for s in SETS)
            torch.testing.assert_close(averaged.explanation.weights[m][row, n], expected)
        expected = sum(shares[s] * outputs[s].explanation.similarity[row, n] for s in SETS)
        torch.testing.assert_close(averaged.explanation.similarity[row, n], expected)
        largest = max(shares, key=shares.__getitem__)
        used = {m for m in NAMES if averaged.used[m][row, n]}
        assert used == {m for m in largest if batch.present[m][row, n]}


@torch.no_grad()
def test_one_set_is_the_model_itself(model, batch):
    weights = {NAMES: torch.ones(batch.mask.shape)}
    output, direct = predict_sets(model, batch, weights).average(weights), model(batch)
    assert torch.equal(output.logits, direct.logits)
    expected = model.calibrate(direct.logits, model.find_used(batch)).softmax(-1)
    torch.testing.assert_close(output.probabilities, expected)
    torch.testing.assert_close(predict_probabilities(model, batch), expected)


@torch.no_grad()
def test_sets_are_predicted_alike_one_by_one(model, batch, monkeypatch):
    together = predict_sets(model, batch, SETS)
    monkeypatch.setattr(averaging, "_MOST_TOGETHER", 0)
    one_by_one = predict_sets(model, batch, SETS)
    torch.testing.assert_close(one_by_one.probabilities, together.probabilities)
    torch.testing.assert_close(one_by_one.explanation.weights, together.explanation.weights)
    assert all(torch.equal(one_by_one.used[m], together.used[m]) for m in NAMES)


@torch.no_grad()
def test_weights_need_not_add_up_to_1(model, batch):
    weights = draw_weights(batch)
    doubled = {s: 2 * weight for s, weight in weights.items()}
    predictions = predict_sets(model, batch, SETS)
    first, second = (predictions.average_probabilities(w) for w in (weights, doubled))
    torch.testing.assert_close(first, second)


@torch.no_grad()
def test_effects_keep_the_weights(model, batch):
    weights = draw_weights(batch)
    output, effects = predict_with_effects(model, batch, weights)
    complete = output.probabilities
    alone = split_conversations(batch)
    for row, n in utterances(batch):
        label = int(complete[row, n].argmax())
        for m in NAMES:
            rest = {}
            for modalities, weight in weights.items():
                others = tuple(other for other in modalities if other != m)
                if any(batch.present[other][row, n] for other in others):
                    rest.setdefault(others, torch.zeros_like(weight))[row, n] += weight[row, n]
            counted = any(m in s and weights[s][row, n] > 0 for s in SETS)
            effect = effects.modalities[m][row, n]
            if not (batch.present[m][row, n] and counted and rest):
                assert effect.isnan()
                continue
            expected = complete[row, n] - slow_mean(model, batch, rest, row, n)
            assert float(effect) == pytest.approx(float(expected[label]), abs=1e-5)
        place = row * max(SIZES) + n
        single = {s: weight.view(-1, 1) for s, weight in weights.items()}
        expected = complete[row, n] - slow_mean(model, alone, single, place, 0)
        assert float(effects.context[row, n]) == pytest.approx(float(expected[label]), abs=1e-5)


def test_shares_and_removal_of_a_modality(batch):
    weights = draw_weights(batch)
    for m in NAMES:
        shares = share_of(m, batch, weights)
        rest = without_modality(m, batch, weights)
        assert all(m not in s and s for s in rest)
        for row, n in utterances(batch):
            expected = sum(float(weights[s][row, n]) for s in SETS if m in s)
            here = bool(batch.present[m][row, n])
            assert float(shares[row, n]) == pytest.approx(expected * here)
            total = sum(
                float(weights[s][row, n])
                for s in SETS
                if any(batch.present[other][row, n] for other in s if other != m)
            )
            assert float(sum(w[row, n] for w in rest.values())) == pytest.approx(total)
