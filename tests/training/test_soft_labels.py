"""Soft labels from corpora and other models, and training on them."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from mmerc.data.batches import sampled_loader
from mmerc.data.corpus import PreparedCorpus
from mmerc.data.sampling import BatchItem, TrainingSampler
from mmerc.errors import InputError, UsageError
from mmerc.labels import LabelSet
from mmerc.models.registry import load_model
from mmerc.nn.classification import soft_label_loss
from mmerc.training.joined_conversations import join_conversations
from mmerc.training.module import TrainingModule
from mmerc.training.recipe import TrainingConfig
from mmerc.training.run import train_run
from mmerc.training.scoring import predict_corpus
from mmerc.training.soft_labels import add_soft_labels

SIZES = (1, 2, 30, 3, 12, 1, 7, 25, 2, 4)


def with_soft_labels(examples, *, share=1.0, seed=0):
    """The examples with random soft labels for a share of their utterances."""
    generator = torch.Generator().manual_seed(seed)
    softened = []
    for example in examples:
        rows = torch.rand(len(example), 4, generator=generator).softmax(-1)
        rows[torch.rand(len(example), generator=generator) >= share] = 0
        softened.append(replace(example, soft_labels=rows if bool(rows.any()) else None))
    return softened


def training_module(model, loader, **settings):
    module = TrainingModule(model, TrainingConfig(**settings), seed=0)
    module._trainer = SimpleNamespace(
        train_dataloader=loader, current_epoch=0, estimated_stepping_batches=len(loader)
    )
    module.on_train_epoch_start()
    return module


def loader_of(examples, batches):
    items = [BatchItem.of(example) for example in examples]
    return sampled_loader(examples, None, TrainingSampler(items, batches=batches))


def slow_loss(logits, soft_labels):
    """Cross-entropy with soft labels, utterance by utterance and class by class."""
    total = 0.0
    for row, target in zip(logits.flatten(0, -2), soft_labels.flatten(0, -2), strict=True):
        exponentials = [float(value.exp()) for value in row.double()]
        for probability, exponential in zip(target.tolist(), exponentials, strict=True):
            total -= probability * torch.tensor(exponential / sum(exponentials)).log().item()
    return total


def test_loss_is_the_cross_entropy_with_the_probabilities():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 4, generator=generator)
    soft_labels = torch.rand(3, 5, 4, generator=generator).softmax(-1)
    soft_labels[0, 2:] = 0  # unknown
    actual = float(soft_label_loss(logits, soft_labels))
    assert actual == pytest.approx(slow_loss(logits, soft_labels), rel=1e-5)


@pytest.mark.parametrize("share", [1.0, 0.4])
def test_every_utterance_counts_equally_in_every_batch(make_model, make_examples, share):
    model = make_model("concatenation", dropout=0.0)
    examples = with_soft_labels(make_examples(SIZES, unknown=0.3, seed=3), share=share)
    loader = loader_of(examples, batches=6)
    module = training_module(model, loader, soft_label_weight=0.7)
    for number, batch in enumerate(loader):
        (module.training_step(batch, number) / len(loader)).backward()
    actual = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    (batch,) = loader_of(examples, batches=1)
    output = model(batch)
    soft = soft_label_loss(output.logits, batch.soft_labels) / (batch.labels >= 0).sum()
    (output.loss + 0.7 * soft).backward()
    for gradient, parameter in zip(actual, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-4, atol=1e-6)


def test_batch_without_labels_learns_from_soft_labels(make_model, make_examples):
    examples = with_soft_labels(make_examples(SIZES, unknown=1.0))
    loader = loader_of(examples, batches=2)
    module = training_module(make_model("df-erc"), loader, soft_label_weight=1.0)
    module.mean_labelled = 10.0
    for number, batch in enumerate(loader):
        module.loss_means.restart()
        loss = module.training_step(batch, number)
        assert float(loss.detach()) == pytest.approx(
            float(module.loss_means.compute()["train_soft_labels"])
        )
        assert float(loss.detach()) > 0


def test_batch_without_soft_labels_logs_zero(make_model, make_examples):
    loader = loader_of(make_examples(SIZES), batches=1)
    module = training_module(make_model("df-erc"), loader, soft_label_weight=1.0)
    (batch,) = loader
    module.training_step(batch, 0).backward()
    assert module.loss_means.compute()["train_soft_labels"] == 0, (
        "each process averages the same names"
    )


def test_zero_weight_ignores_soft_labels(make_model, make_examples):
    examples = make_examples(SIZES, seed=1)
    losses = []
    for items in (examples, with_soft_labels(examples)):
        loader = loader_of(items, batches=2)
        module = training_module(make_model("df-erc").eval(), loader)
        losses.append([float(module.training_step(batch, 0).detach()) for batch in loader])
    assert losses[0] == losses[1]


def test_joined_conversations_keep_soft_labels(make_examples):
    (batch,) = loader_of(with_soft_labels(make_examples((3, 5, 2)), share=0.6), batches=1)
    joined = join_conversations(batch, 2)
    assert torch.equal(joined.soft_labels[joined.mask], batch.soft_labels[batch.mask])
    assert not joined.soft_labels[~joined.mask].any()


# From other models


@pytest.fixture(scope="module")
def teachers(make_model, tmp_path_factory):
    """Two saved models with the corpus's labels, the second in another order."""
    folders = []
    for seed in (1, 2):
        own = make_model("df-erc", seed=seed)
        names = own.labels.names if seed == 1 else own.labels.names[::-1]
        model = make_model("df-erc", seed=seed, labels=LabelSet("teacher", names))
        folders.append(tmp_path_factory.mktemp("teacher") / f"model-{seed}")
        model.save_pretrained(folders[-1])
    return folders


def test_soft_labels_are_the_mean_of_the_models_probabilities(teachers, small_corpus):
    softened = add_soft_labels(small_corpus, teachers)
    expected = {}
    for folder in teachers:
        model = load_model(folder)
        predictions = predict_corpus(model, small_corpus, "train")
        for key, row in zip(predictions.keys, predictions.probabilities.tolist(), strict=True):
            for label, probability in zip(model.labels, row, strict=True):
                expected.setdefault(key, {}).setdefault(label, []).append(probability)
    for conversation in softened.corpus.splits["train"]:
        for utterance in conversation.utterances:
            for label, values in expected[conversation.id, utterance.id].items():
                assert utterance.soft_labels[label] == pytest.approx(sum(values) / 2, abs=1e-6)
    assert softened.corpus.splits["valid"] == small_corpus.splits["valid"]
    assert softened.corpus.splits["test"] == small_corpus.splits["test"]
    assert softened.corpus.remarks[-1] == (
        "The soft labels of the training split are probabilities predicted by model-1, model-2."
    )
    assert softened.saw_label == 0


def test_rater_votes_on_unlabelled_utterances_are_kept(teachers, small_corpus):
    (first, *others) = small_corpus.splits["train"]
    several = dict.fromkeys(list(small_corpus.labels)[:2], 0.5)
    head = replace(first.utterances[0], label=None, soft_labels=several)
    changed = replace(first, utterances=(head, *first.utterances[1:]))
    corpus = replace(small_corpus, splits={**small_corpus.splits, "train": (changed, *others)})
    softened = add_soft_labels(corpus, teachers[:1]).corpus
    assert softened.splits["train"][0].utterances[0].soft_labels == several
    count = sum(map(len, softened.splits["train"]))
    assert softened.remarks[-1].endswith(
        f"model-1; 1 of {count} utterances have no label, and keep their own."
    )


def test_saved_corpus_keeps_soft_labels(teachers, small_corpus, tmp_path):
    softened = add_soft_labels(small_corpus, teachers[:1]).corpus
    softened.save(tmp_path / "soft")
    loaded = PreparedCorpus.load(tmp_path / "soft")
    assert loaded.splits == softened.splits
    assert loaded.fingerprints["conversations"] != small_corpus.fingerprints["conversations"]


def test_model_with_other_labels_is_refused(make_model, small_corpus, tmp_path):
    model = make_model("df-erc", labels=LabelSet("other", ("yes", "no")))
    model.save_pretrained(tmp_path / "other")
    with pytest.raises(InputError, match="the model's yes, no"):
        add_soft_labels(small_corpus, [tmp_path / "other"])
    with pytest.raises(UsageError, match="need a model"):
        add_soft_labels(small_corpus, [])


def test_student_learns_soft_labels(tiny_recipe, small_corpus, tmp_path):
    """The soft labels contradict the training labels: only the last label; validation agrees."""
    last = list(small_corpus.labels)[-1]

    def change(split, **changes):
        return tuple(
            replace(c, utterances=tuple(replace(u, **changes) for u in c.utterances))
            for c in small_corpus.splits[split]
        )

    splits = {
        **small_corpus.splits,
        "train": change("train", soft_labels={last: 1.0}),
        "valid": change("valid", label=last),
    }
    corpus = replace(small_corpus, splits=splits)
    for weight, learnt in ((0.0, False), (20.0, True)):
        recipe = tiny_recipe(soft_label_weight=weight, epochs=20)
        train_run(recipe, corpus, tmp_path / f"{weight}", report=lambda line: None)
        predictions = predict_corpus(load_model(tmp_path / f"{weight}"), corpus, "train")
        assert ((predictions.predicted == len(corpus.labels) - 1).mean() > 0.9) == learnt


def test_unused_or_missing_soft_labels_give_a_remark(tiny_recipe, small_corpus, teachers, tmp_path):
    softened = add_soft_labels(small_corpus, teachers[:1]).corpus
    said = []
    train_run(tiny_recipe(epochs=1), softened, tmp_path / "unused", report=said.append)
    recipe = tiny_recipe(epochs=1, soft_label_weight=1.0)
    train_run(recipe, small_corpus, tmp_path / "missing", report=said.append)
    text = " ".join(said)
    assert "the corpus has soft labels, which training did not use" in text
    assert "soft_label_weight had no effect" in text
