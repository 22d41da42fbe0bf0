import copy

import pytest
import yaml

from mmerc.training.recipe import Recipe
from mmerc.training.run import train_run

TINY = {
    "name": "tiny",
    "description": "DF-ERC, as small as it goes.",
    "model": {
        "name": "df-erc",
        "disentangled_width": 8,
        "classifier_width": 8,
        "fusion_width": 8,
        "prototype_width": 8,
        "context_width": 8,
        "attention_heads": 2,
    },
    "training": {
        "epochs": 3,
        "batch_conversations": 2,
        "learning_rate": 0.01,
        "warmup_steps": 2,
        "precision": "32-true",
        "seeds": 1,
    },
}


@pytest.fixture(scope="session")
def tiny_recipe():
    """A function that returns the recipe of a very small DF-ERC; arguments change its training."""

    def make(**training):
        value = copy.deepcopy(TINY)
        value["training"].update(training)
        return Recipe.model_validate(value)

    return make


@pytest.fixture(scope="session")
def train(tiny_recipe, small_corpus):
    """A function that trains the very small DF-ERC on the small corpus without output."""

    def run(directory, *, seeds=None, resume=False, report=lambda line: None, **training):
        recipe = tiny_recipe(**training)
        return train_run(recipe, small_corpus, directory, seeds=seeds, resume=resume, report=report)

    return run


@pytest.fixture(scope="session")
def finished(tmp_path_factory, train):
    """Folder and result of a one-seed run; read-only."""
    directory = tmp_path_factory.mktemp("runs") / "run"
    return directory, train(directory)


@pytest.fixture
def on_disk(tmp_path, tiny_recipe, small_corpus):
    """Arguments of ``mmerc train`` for a recipe and corpus in files."""
    small_corpus.save(tmp_path / "corpus")

    def write(**training):
        value = tiny_recipe(**training).model_dump(mode="json")
        (tmp_path / "own.yaml").write_text(yaml.safe_dump(value))
        arguments = ["train", "--no-cache", "--recipe", tmp_path / "own.yaml"]
        return [*arguments, "--corpus", tmp_path / "corpus", "--out", tmp_path / "run"]

    return write
