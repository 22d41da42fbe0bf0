"""MultiEMO's recipes have the paper's numbers, and the released code's where these differ."""

import pytest

from mmerc.training.recipe import change_recipe
from mmerc.training.recipe_files import load_recipe

PAPER = {
    "layers": 6, "temperature": 0.8, "sample_weight": 0.8, "contrast_focus": 2.0,
    "contrast_weight": 0.4, "correlation_weight": 0.3, "dropout": 0.1, "width": 256,
    "learning_rate": 1e-4, "epochs": 100, "weight_decay": 1e-5, "class_counting": "batch",
    "text_context": False, "modalities": ("text", "audio", "video"), "text_encoder": None,
    "optimizer": "adam", "adam_betas": (0.9, 0.99),
    "schedule": "stepwise", "decay_factor": 0.95, "decay_epochs": 10,
}  # fmt: skip
RELEASED = {
    "dropout": 0.0, "class_counting": "training", "normalize": True, "optimizer": "adam",
    "adam_betas": (0.9, 0.999), "schedule": "plateau", "decay_factor": 0.95, "decay_epochs": 10,
}  # fmt: skip
NUMBERS = {
    "multiemo-meld": PAPER | {"batch_conversations": 100},
    "multiemo-iemocap": PAPER | {"batch_conversations": 64},
    "multiemo-meld-released": RELEASED
    | {
        "layers": 2, "epochs": 15, "temperature": 1.4, "sample_weight": 1.2, "bidirectional": False,
        "contrast_weight": 0.3, "correlation_weight": 0.3, "classifier_width": 512,
        "batch_conversations": 100, "text_context": False,
    },
    "multiemo-iemocap-released": RELEASED
    | {
        "sample_weight": 1.1, "contrast_focus": 2.4, "contrast_weight": 0.4, "bidirectional": True,
        "correlation_weight": 0.4, "classifier_width": 256, "batch_conversations": 64,
        "text_context": True,
    },
}  # fmt: skip
ALL = [*NUMBERS, "multiemo-mosi", "multiemo-composed", "multiemo-composed-cached"]


@pytest.mark.parametrize("name", NUMBERS)
def test_recipes_have_the_papers_numbers(name):
    recipe = load_recipe(name)
    actual = recipe.model.model_dump() | recipe.training.model_dump()
    assert {key: actual[key] for key in NUMBERS[name]} == NUMBERS[name]


@pytest.mark.parametrize(
    ("name", "tuned"),
    [
        ("mosi", {"epochs"}),
        ("composed", set()),
        (
            "composed-cached",
            {
                "batch_utterances",
                "epochs",
                "learning_rate",
                "minimum_steps",
                "warmup_share",
                "averaging_share",
            },
        ),
    ],
)
def test_training_settings_equal_df_erc(name, tuned):
    own, other = load_recipe(f"multiemo-{name}"), load_recipe(f"df-erc-{name}")
    assert own.training.model_dump(exclude=tuned) == other.training.model_dump(exclude=tuned)
    assert own.model.text_encoder == other.model.text_encoder


@pytest.mark.parametrize("name", ALL)
def test_search_space_limits_are_valid_recipes(name):
    recipe = load_recipe(name)
    assert recipe.search
    for end in (0, -1):
        values = {
            key: space.choices[end] if hasattr(space, "choices") else (space.low, space.high)[end]
            for key, space in recipe.search.items()
        }
        assert change_recipe(recipe, values).model.name == "multiemo"
