"""Models by name: those of mmerc and those of installed packages."""

import sys

import pytest
import torch

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.models.registry import _MODELS, _model_names, list_models, load_model, model_class
from mmerc.training.recipe import Recipe

MODEL = '''
"""A model of another package."""

import torch
from mmerc.models.base import ConversationModel, ModelConfig, ModelOutput


class MeanConfig(ModelConfig):
    name: str = "mean"
    scale: float = 1.0


class Mean(ConversationModel[MeanConfig]):
    """One linear layer over the joined vectors. Nothing else."""

    name = "mean"
    config_class = MeanConfig

    def build(self):
        self.layer = torch.nn.Linear(sum(self.inputs.output_widths.values()), len(self.labels))

    def forward(self, batch):
        vectors, _ = self.inputs(batch)
        logits = self.layer(torch.cat(list(vectors.values()), -1)) * self.config.scale
        loss = self.emotion_loss(logits, batch.labels)
        return ModelOutput(logits=logits, losses={"emotion": loss}, loss=loss)


class Renamed(Mean):
    name = "other"


class Unfinished(ConversationModel):
    name = "unfinished"
    config_class = MeanConfig


class Plain(Mean):
    name = "plain"
    config_class = dict


nothing = "a string"
'''


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Install a package with the given entry points where Python finds it."""

    def install(**entry_points):
        site = tmp_path / "site"
        info = site / "mean_package-1.0.dist-info"
        info.mkdir(parents=True)
        (site / "mean_package.py").write_text(MODEL)
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: mean-package\nVersion: 1.0\n")
        lines = "\n".join(f"{name} = {value}" for name, value in entry_points.items())
        (info / "entry_points.txt").write_text(f"[mmerc.models]\n{lines}\n")
        monkeypatch.syspath_prepend(str(site))
        monkeypatch.delitem(sys.modules, "mean_package", raising=False)

    return install


def test_model_class_matches_its_name():
    for name, model in _MODELS.items():
        assert model_class(name) is model
        assert model.name == name
        assert model.config_class.model_fields["name"].default == name


def test_unknown_name_error_lists_the_known_ones(install):
    install(mean="mean_package:Mean")
    with pytest.raises(UsageError, match=r"'men'; available: df-erc, .*, mean\.$"):
        model_class("men")


def test_plugin_model_is_found_by_name_and_in_recipes(install):
    install(mean="mean_package:Mean")
    assert model_class("mean").__name__ == "Mean"
    assert _model_names()[-1] == "mean"
    recipe = Recipe.model_validate(
        {"name": "r", "description": "d", "model": {"name": "mean", "scale": 2.0}}
    )
    assert type(recipe.model).__name__ == "MeanConfig"
    with pytest.raises(UsageError, match="scael"):
        Recipe.model_validate(
            {"name": "r", "description": "d", "model": {"name": "mean", "scael": 2.0}}
        )


def test_plugin_model_is_saved_and_loaded(install, make_model, make_batch, tmp_path):
    install(mean="mean_package:Mean")
    model, batch = make_model("mean").eval(), make_batch([3, 2])
    model.save_pretrained(str(tmp_path / "model"))
    loaded = load_model(str(tmp_path / "model"))
    assert type(loaded) is type(model)
    assert torch.equal(loaded(batch).logits, model(batch).logits)


def test_saved_model_with_missing_package_is_refused(install, make_model, tmp_path):
    make_model("concatenation").save_pretrained(tmp_path / "model")
    path = tmp_path / "model" / "config.json"
    path.write_text(path.read_text().replace('"concatenation"', '"mean"'))
    with pytest.raises(InputError, match=r"'mean', which neither .* install the package") as caught:
        load_model(tmp_path / "model")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("text", "mean_package:nothing", "is not a subclass of mmerc.models.base.ConversationMod"),
        ("tensor", "torch:Tensor", "is not a subclass of mmerc.models.base.ConversationModel"),
        ("mean", "mean_package:Renamed", "has the name 'other', not that of its entry point"),
        ("unfinished", "mean_package:Unfinished", "does not implement build and forward"),
        ("plain", "mean_package:Plain", "has no config_class that is a subclass of mmerc.models"),
        ("gone", "mean_package:Gone", "cannot be loaded"),
        ("gone", "no_such_package_here:Gone", "cannot be loaded"),
    ],
)
def test_plugin_without_a_model_is_refused_in_one_sentence(install, name, value, problem):
    install(**{name: value})
    with pytest.raises(MmercError, match=problem) as caught:
        model_class(name)
    message = str(caught.value)
    assert repr(name) in message
    assert "mean-package" in message
    assert "\n" not in message
    assert list_models()[name].summary == message
    assert list_models()["df-erc"].package == "mmerc"


def test_plugin_cannot_reuse_a_built_in_model_name(install):
    install(**{"df-erc": "mean_package:Mean"})
    with pytest.raises(MmercError, match=r"mean-package adds a model called 'df-erc', a name that"):
        list_models()


def test_list_shows_summary_and_package_of_each_model(install):
    install(mean="mean_package:Mean")
    models = list_models()
    assert list(models) == [*_MODELS, "mean"]
    assert models["mean"] == ("One linear layer over the joined vectors", "mean-package")
    for name in _MODELS:
        assert models[name].package == "mmerc"
        assert models[name].summary
        assert "\n" not in models[name].summary
