"""Every shipped recipe on corpora of any shape, with very small models on vectors."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from mmerc.data.examples import Example
from mmerc.data.utterance_batches import split_utterances
from mmerc.labels import LabelSet
from mmerc.models.registry import create_model
from mmerc.training.module import MONITORED, TrainingModule
from mmerc.training.optimization import create_optimizer
from mmerc.training.recipe_files import load_recipe, recipe_names
from mmerc.training.trainer import _ConversationData, _statistics_of
from mmerc.training.training_remarks import remark_on_majority

LABELS = LabelSet("own", ("calm", "glad", "sad", "cross"))
FREQUENCY = (0.55, 0.2, 0.15, 0.1)
WIDTHS = {"text": 8, "audio": 6, "video": 6}
CORPORA = {"many short": [1, 2, 3, 4] * 40, "few long": [24] * 6, "tiny": [4, 3, 5, 2, 6, 4]}


def examples(sizes, *, seed):
    """Conversations whose vectors show the label, with noise."""
    centres = {m: np.random.default_rng(7).normal(size=(4, width)) for m, width in WIDTHS.items()}
    numbers = np.random.default_rng(seed)
    listed = []
    for index, size in enumerate(sizes):
        labels = numbers.choice(4, size=size, p=FREQUENCY)
        vectors = {
            m: torch.from_numpy(
                centres[m][labels] + 0.4 * numbers.normal(size=(size, width))
            ).float()
            for m, width in WIDTHS.items()
        }
        listed.append(
            Example(
                index=index, features=vectors,
                present={m: torch.ones(size, dtype=torch.bool) for m in WIDTHS},
                speakers=torch.from_numpy(numbers.integers(2, size=size)),
                labels=torch.from_numpy(labels), token_ids=None,
            )
        )  # fmt: skip
    return listed


def small_recipe(name):
    """The recipe with a very small model on vectors and learning rates of at least 0.01."""
    recipe = load_recipe(name)
    small = {
        field: 8
        for field, description in type(recipe.model).model_fields.items()
        if field.endswith(("width", "hidden")) and description.annotation is int
    }
    encoders = dict.fromkeys(
        {"text_encoder", "speech_encoder"} & set(type(recipe.model).model_fields)
    )
    if hasattr(recipe.model, "fusion_layers"):
        small["fusion_layers"] = 1
    if hasattr(recipe.model, "layers"):
        small["layers"] = 1
    model = recipe.model.model_copy(update=small | encoders)
    rate = max(recipe.training.learning_rate, 0.01)
    return model, recipe.training.model_copy(update={"learning_rate": rate})


def epochs_of(data, module):
    """Train like Lightning but without files; yield the score of every epoch."""
    loader, settings = data.train_dataloader(), module.settings
    epochs = data.count_epochs(1)
    measured = {}
    module.log_dict = lambda values, **options: measured.update(values)
    module.log = lambda *values, **options: None
    module._trainer = SimpleNamespace(
        train_dataloader=loader, current_epoch=0, estimated_stepping_batches=epochs * len(loader)
    )
    optimizer = create_optimizer(module.model, settings)
    factor = (lambda step: 1.0) if settings.schedule == "plateau" else module.learning_rate_factor
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
    for epoch in range(epochs):
        module.trainer.current_epoch = epoch
        module.train()
        module.on_train_epoch_start()
        for number, batch in enumerate(loader):
            module.on_train_batch_start(batch, number)
            optimizer.zero_grad()
            module.training_step(batch, number).backward()
            clip_grad_norm_(module.model.parameters(), settings.gradient_norm)
            optimizer.step()
            schedule.step()
            module.on_train_batch_end(None, batch, number)
        module.eval()
        with torch.no_grad():
            module.on_validation_epoch_start()
            for number, batch in enumerate(data.val_dataloader()):
                module.validation_step(batch, number)
            module.on_validation_epoch_end()
        yield measured[MONITORED]


@pytest.mark.parametrize("corpus", CORPORA)
@pytest.mark.parametrize("name", [name for name in recipe_names() if name != "majority"])
def test_every_recipe_beats_the_majority(name, corpus):
    config, settings = small_recipe(name)
    train, valid = examples(CORPORA[corpus], seed=0), examples([12] * 8, seed=1)
    torch.manual_seed(0)
    model = create_model(config, labels=LABELS, widths=WIDTHS)
    model.fit(_statistics_of(train, classes=4))
    if model.unit == "utterance":
        train, valid = split_utterances(train), split_utterances(valid)
    data = _ConversationData(train, valid, model=model, settings=settings, seed=0)
    labels = [[label for e in part for label in e.labels.tolist()] for part in (train, valid)]
    scores = []
    for score in epochs_of(data, TrainingModule(model, settings, seed=0)):
        scores.append(score)
        # Ten points better than the majority is enough.
        if remark_on_majority(
            score - 10, training=labels[0], validation=labels[1], labels=LABELS
        ) is None:  # fmt: skip
            return
    pytest.fail(f"no epoch beats the majority by ten points: {scores}")
