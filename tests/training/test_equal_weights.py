"""Every labelled utterance has equal weight, in any conversation and batch."""

import copy
from types import SimpleNamespace

import pytest
import torch

from mmerc.data.batches import sampled_loader
from mmerc.data.sampling import BatchItem, TrainingSampler
from mmerc.data.utterance_batches import split_utterances
from mmerc.models.registry import _MODELS
from mmerc.training.module import TrainingModule
from mmerc.training.recipe import TrainingConfig

SIZES = (1, 2, 30, 3, 12, 1, 7, 25, 2, 4, 9, 18)


def training_module(model, loader, **settings):
    module = TrainingModule(model, TrainingConfig(**settings), seed=0)
    module.log_dict = lambda *values, **options: None
    module._trainer = SimpleNamespace(
        train_dataloader=loader, current_epoch=0, estimated_stepping_batches=len(loader)
    )
    module.on_train_epoch_start()
    return module


def loaders(model, examples, *, batches=5, world=1):
    if model.unit == "utterance":
        examples = split_utterances(examples)
    items = [BatchItem.of(example) for example in examples]
    return [
        sampled_loader(
            examples, None, TrainingSampler(items, batches=batches, rank=rank, world=world)
        )
        for rank in range(world)
    ]


def cross_entropy(model, batch):
    """The model's cross-entropy terms of the fusion and of single modalities."""
    losses = model(batch).losses
    terms = [loss for name, loss in losses.items() if name.startswith("emotion")]
    return sum(terms).detach().double()


def weighted_total(module, loader):
    """Sum of the weighted cross-entropy over an epoch's batches."""
    total = torch.zeros((), dtype=torch.float64)
    for batch in loader:
        total += cross_entropy(module.model, batch) * module.batch_weight(batch)
    return float(total)


@pytest.mark.parametrize("world", [1, 2])
@pytest.mark.parametrize("name", [name for name in _MODELS if name != "majority"])
def test_mean_over_batches_is_the_mean_over_utterances(make_model, make_examples, name, world):
    model = make_model(name).eval()
    examples = make_examples(SIZES, unknown=0.3, seed=3)
    shares = loaders(model, examples, world=world)
    (whole,) = loaders(model, examples, batches=1)
    (batch,) = whole
    expected = float(cross_entropy(model, batch))
    totals = [weighted_total(training_module(model, loader), loader) for loader in shares]
    steps = sum(len(loader) for loader in shares)
    assert sum(totals) / steps == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("padding", [0.1, 1.0])
def test_epoch_gradient_equals_gradient_over_all_utterances(make_model, make_examples, padding):
    """Every utterance's share of the accumulated gradient, in batches of 1 to 30 utterances."""
    model = make_model("concatenation", dropout=0.0)
    examples = make_examples(SIZES, seed=3)
    items = [BatchItem.of(example) for example in examples]
    sampler = TrainingSampler(items, batches=6, padding=padding)
    loader = sampled_loader(examples, None, sampler)
    module = training_module(model, loader)
    for number, batch in enumerate(loader):
        (module.training_step(batch, number) / len(loader)).backward()
    actual = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    (batch,) = sampled_loader(examples, None, TrainingSampler(items, batches=1))
    model(batch).loss.backward()
    for gradient, parameter in zip(actual, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)


def test_sum_reduction_needs_no_weight(make_model, make_examples):
    model = make_model("df-erc", reduction="sum")
    (loader,) = loaders(model, make_examples(SIZES))
    module = training_module(model, loader)
    assert {module.batch_weight(batch) for batch in loader} == {1.0}


def test_batch_without_labels_has_zero_loss(make_model, make_examples):
    model = make_model("df-erc")
    (loader,) = loaders(model, make_examples(SIZES, unknown=1.0), batches=2)
    module = training_module(model, loader)
    module.mean_labelled = 10.0
    assert all(float(module.training_step(batch, 0).detach()) == 0 for batch in loader)


# Averaging and repeated passes


class TestAveraging:
    @pytest.fixture
    def module(self, make_model, make_examples):
        model = make_model("df-erc", tokens=True)
        model.refusion.prototypes.register_buffer("seen", torch.tensor(7))
        (loader,) = loaders(model, make_examples([3, 2]))
        return training_module(model, loader, weight_averaging=0.9)

    def test_buffers_are_not_averaged(self, module):
        model, generator = module.model, torch.Generator().manual_seed(0)
        history = []
        for step in range(4):
            for parameter in model.parameters():
                parameter.data = torch.randn(parameter.shape, generator=generator)
            model.refusion.prototypes.seen += 5
            model.refusion.prototypes.mean += step
            if step == 2:
                model.start_epoch()  # prototypes restart
            history.append(copy.deepcopy(dict(model.named_parameters())))
            module.on_train_batch_end(None, None, step)
        averaged = module.averaged.module
        for (name, buffer), own in zip(averaged.named_buffers(), model.buffers(), strict=True):
            assert torch.equal(buffer, own), name
        assert int(averaged.refusion.prototypes.seen) == 27
        for name, parameter in averaged.named_parameters():
            expected = history[0][name].data
            for later in history[1:]:
                expected = 0.9 * expected + 0.1 * later[name].data
            torch.testing.assert_close(parameter.data, expected, rtol=1e-5, atol=1e-6)

    def test_position_ids_are_not_averaged(self, module):
        embeddings = module.model.text_encoder.backbone.embeddings
        before = embeddings.position_ids.clone()
        for step in range(50):
            module.on_train_batch_end(None, None, step)
        averaged = module.averaged.module.text_encoder.backbone.embeddings
        assert torch.equal(averaged.position_ids, before)


@pytest.mark.parametrize("consistency", [0.0, 1.0])
def test_prototypes_count_every_item_once(make_model, make_examples, consistency):
    model = make_model("df-erc", modalities=("text", "audio"))
    examples = make_examples([3, 5, 2], seed=1)
    (loader,) = loaders(model, examples, batches=2)
    module = training_module(model, loader, consistency=consistency)
    for number, batch in enumerate(loader):
        module.training_step(batch, number)
    labels = torch.cat([example.labels for example in examples])
    expected = 2 * torch.bincount(labels, minlength=4)
    assert torch.equal(model.refusion.prototypes.count.long(), expected)
    module.training_step(batch, 0)
    assert model.refusion.prototypes.count.sum() > expected.sum()  # and again in the next step
