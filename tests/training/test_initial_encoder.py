"""Trainings that start from another model's text encoder."""

import pytest
import torch

from mmerc.errors import UsageError
from mmerc.training.cache import seed_key
from mmerc.training.hardware import Hardware
from mmerc.training.initial_encoder import copy_text_encoder

LORA = {"tuning": "lora", "lora_rank": 4}


@pytest.fixture(scope="module")
def first(make_model, tmp_path_factory):
    """A saved model whose adapters differ from the initial ones of a training."""
    model = make_model("language-model", tokens=True, encoder=LORA, seed=1)
    for parameter in model.text_encoder.parameters():
        if parameter.requires_grad:
            torch.nn.init.normal_(parameter)
    folder = tmp_path_factory.mktemp("initial") / "model"
    model.save_pretrained(folder)
    return folder, model


def test_only_the_encoder_is_copied(first, make_model):
    folder, initial = first
    model = make_model("df-erc", tokens=True, encoder=LORA, seed=2)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    copy_text_encoder(str(folder), model)
    for name, value in model.text_encoder.state_dict().items():
        assert torch.equal(value, initial.text_encoder.state_dict()[name]), name
    changed = {n for n, value in model.state_dict().items() if not torch.equal(value, before[n])}
    assert changed
    assert all(name.startswith("inputs.text_encoder.") for name in changed)


def test_different_encoder_type_is_refused(first, make_model):
    folder, _ = first
    with pytest.raises(UsageError, match=r"use its settings \(.* tuning lora, lora_rank 4\)"):
        copy_text_encoder(str(folder), make_model("df-erc", tokens=True))


def test_stored_text_vectors_need_no_encoder(first, make_model):
    copy_text_encoder(str(first[0]), make_model("df-erc"))


def test_initial_model_is_part_of_the_cache_key(first, make_model, tiny_recipe, small_corpus):
    folder, model = first
    recipe = tiny_recipe(initial_text_encoder=str(folder))
    key = seed_key(recipe, small_corpus, 0, Hardware())
    assert key != seed_key(tiny_recipe(), small_corpus, 0, Hardware())
    with torch.no_grad():
        next(model.parameters()).add_(1)
    model.save_pretrained(folder)
    assert seed_key(recipe, small_corpus, 0, Hardware()) != key
