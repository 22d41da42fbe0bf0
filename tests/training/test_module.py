import copy

import pytest
import torch

from mmerc.models.registry import create_model
from mmerc.nn.text_encoder import TextEncoderConfig
from mmerc.training.module import _drop_modalities
from mmerc.training.optimization import (
    _parameter_groups,
    clip_gradients,
    create_optimizer,
    learning_rate_factor,
)
from mmerc.training.recipe import TrainingConfig


def factors(steps, **settings):
    config = TrainingConfig(**settings)
    return [learning_rate_factor(step, steps, config) for step in range(steps + 1)]


def test_learning_rate_warms_up_and_decays():
    assert factors(7, warmup_steps=3) == [0.25, 0.5, 0.75, 1, 0.75, 0.5, 0.25, 0]
    assert factors(4, warmup_steps=0) == [1, 0.75, 0.5, 0.25, 0]
    assert factors(4, warmup_steps=1, schedule="constant") == [0.5, 1, 1, 1, 1]
    assert factors(2, warmup_steps=9) == pytest.approx([0.1, 0.2, 0.3])


def test_learning_rate_falls_in_steps():
    settings = {"warmup_steps": 1, "epochs": 6, "decay_epochs": 2, "decay_factor": 0.5}
    actual = factors(12, schedule="stepwise", **settings)
    assert actual == [0.5, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.25, 0.125]


@pytest.mark.parametrize("name", ["adamw", "adam"])
def test_optimizer_has_decoupled_or_l2_weight_decay(name):
    model = torch.nn.Linear(2, 1)
    model.text_encoder = model.speech_encoder = None
    before = model.weight.detach().clone()
    config = TrainingConfig(
        optimizer=name, adam_betas=(0.0, 0.0), learning_rate=0.1, weight_decay=0.5
    )
    optimizer = create_optimizer(model, config)
    model.weight.grad, model.bias.grad = torch.zeros_like(before), torch.zeros(1)
    optimizer.step()
    expected = before * 0.95 if name == "adamw" else before - 0.1 * before.sign()
    assert torch.allclose(model.weight, expected, atol=1e-5)


@pytest.fixture(scope="module")
def reading_model(tiny_recipe, tiny_encoder, small_corpus):
    """A model with a text encoder of two layers."""
    config = tiny_recipe().model.model_copy(
        update={"text_encoder": TextEncoderConfig(name=str(tiny_encoder))}
    )
    widths = {name: table.spec.dim for name, table in small_corpus.features.items()}
    return create_model(config, labels=small_corpus.labels, widths=widths)


def test_every_parameter_has_its_learning_rate_and_decay(reading_model):
    config = TrainingConfig(
        learning_rate=1e-2, encoder_learning_rate=8e-4, layer_decay=0.5, weight_decay=0.1
    )
    groups = _parameter_groups(reading_model, config)
    actual = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    assert sum(len(group["params"]) for group in groups) == len(actual)
    assert len(actual) == len(list(reading_model.parameters()))
    for name, parameter in reading_model.named_parameters():
        rate, decay = actual[id(parameter)]
        assert decay == (0.1 if parameter.ndim > 1 else 0), name
        if "bias" in name or "LayerNorm" in name:
            assert decay == 0, name
        if "text_encoder" not in name:
            expected = 1e-2
        elif "embeddings" in name:
            expected = 2e-4
        else:
            expected = 4e-4 if "layer.0." in name else 8e-4
        assert rate == pytest.approx(expected), name


def test_frozen_parameters_are_not_optimized(tiny_recipe, tiny_encoder, small_corpus):
    encoder = TextEncoderConfig(name=str(tiny_encoder), tuning="frozen")
    config = tiny_recipe().model.model_copy(update={"text_encoder": encoder})
    widths = {name: table.spec.dim for name, table in small_corpus.features.items()}
    model = create_model(config, labels=small_corpus.labels, widths=widths)
    groups = _parameter_groups(model, TrainingConfig())
    grouped = {id(p) for group in groups for p in group["params"]}
    assert not grouped & {id(p) for p in model.text_encoder.parameters()}
    assert grouped


@pytest.mark.parametrize("rate", [0.0, 0.3, 0.9, 0.999])
def test_every_utterance_keeps_a_present_modality(make_batch, rate):
    batch = make_batch([3, 9, 30, 60], absent=0.3)
    torch.manual_seed(0)
    dropped = _drop_modalities(batch, rate)
    had = torch.stack(list(batch.present.values()))
    kept = torch.stack([dropped.present[name] for name in batch.present])
    assert not (kept & ~had).any()
    assert kept.any(0).equal(had.any(0))
    if rate == 0:
        assert kept.equal(had)
    if rate == 0.3:
        assert 0.6 < kept.sum() / had.sum() < 0.85
    assert dropped.labels.equal(batch.labels)


@pytest.mark.parametrize("largest", [0.5, 1e3])
def test_fused_clipping_equals_clip_grad_norm(largest):
    torch.manual_seed(0)
    first = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Linear(4, 3))
    first.text_encoder = first.speech_encoder = None
    second = copy.deepcopy(first)
    optimizers = [create_optimizer(model, TrainingConfig()) for model in (first, second)]
    inputs = torch.randn(6, 5)
    for _ in range(3):
        for model in (first, second):
            model(inputs).square().sum().backward()
        clip_gradients(optimizers[0], largest=largest)
        torch.nn.utils.clip_grad_norm_(second.parameters(), largest)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
    for actual, expected in zip(first.parameters(), second.parameters(), strict=True):
        torch.testing.assert_close(actual, expected)
