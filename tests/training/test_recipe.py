import pytest
import yaml

from mmerc.errors import InputError, UsageError
from mmerc.models.registry import _MODELS
from mmerc.training.recipe import change_recipe
from mmerc.training.recipe_files import list_recipes, load_recipe, recipe_names

PUBLISHED = {
    "df-erc-meld": {
        "contrast_weight": 0.3,
        "contribution_weight": 0.8,
        "prototype_weight": 0.3,
        "batch_conversations": 8,
    },
    "df-erc-iemocap": {
        "contrast_weight": 0.2,
        "contribution_weight": 0.9,
        "prototype_weight": 1.0,
        "batch_conversations": 4,
    },
}
BOTH = {
    "modality_temperature": 0.5,
    "utterance_temperature": 0.3,
    "prototype_margin": 0.1,
    "encoder_learning_rate": 1e-5,
    "learning_rate": 1e-3,
    "warmup_steps": 100,
    "weight_decay": 0.01,
    "gradient_norm": 1.0,
    "epochs": 10,
    "modalities": ("text", "audio", "video"),
}


def refusal(name="demo", *changes):
    with pytest.raises(UsageError) as caught:
        load_recipe(name, changes)
    text = str(caught.value)
    assert "\n" not in text
    return text


@pytest.mark.parametrize("name", recipe_names())
def test_every_shipped_recipe_loads(name):
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.model.name in _MODELS
    assert isinstance(recipe.model, _MODELS[recipe.model.name].config_class)


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_have_the_papers_numbers(name):
    recipe = load_recipe(name)
    actual = recipe.model.model_dump() | recipe.training.model_dump()
    expected = BOTH | PUBLISHED[name]
    assert {key: actual[key] for key in expected} == expected
    assert recipe.model.text_encoder.name == "roberta-large"
    assert recipe.model.ablations == ()


def test_dumped_recipe_loads_unchanged(tmp_path):
    recipe = load_recipe("df-erc-meld-mini")
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(recipe.model_dump(mode="json")))
    assert load_recipe(str(tmp_path / "again.yaml")) == recipe


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("epochs=3", "epochs"),
        ("training.epoch=3", "training.epoch"),
        ("model.alpha=3", "alpha"),
        ("model.text_encoder.size=3", "text_encoder.size"),
        ("training.epochs=0", "training.epochs"),
        ("training.epochs=many", "training.epochs"),
        ("training.learning_rate=-1", "training.learning_rate"),
        ("model.ablations=[-XYZ]", "ablations"),
        ("model.modalities=[]", "modalities"),
        ("model.modalities=[text,text]", "modalities"),
        ("model=3", "model"),
        ("training=3", "training"),
        ("name=null", "name"),
    ],
)
def test_invalid_settings_are_named(change, named):
    assert named in refusal("demo", change)


@pytest.mark.parametrize("change", ["", "=", "=3", "training.epochs", "training.epochs=["])
def test_malformed_overrides_are_refused(change):
    assert refusal("demo", change).startswith("--set ")


def test_override_below_a_plain_value_is_refused():
    assert "'epochs' is a value" in refusal("demo", "training.epochs.more=1")


def test_overrides_reach_into_null_settings():
    plain = load_recipe("df-erc-mosi", ["model.text_encoder=null"])
    assert plain.model.text_encoder is None
    changed = load_recipe(
        "df-erc-mosi",
        [
            "model.text_encoder=null",
            "model.text_encoder.name=some/folder=odd",
            "model.text_encoder.tuning=frozen",
            "training.epochs=2",
            "training.learning_rate=1e-4",
            "model.ablations=[-DDM, -CRM+Att]",
            "training.patience=null",
        ],
    )
    assert changed.model.text_encoder.name == "some/folder=odd"
    assert changed.model.text_encoder.tuning == "frozen"
    assert changed.training.learning_rate == 1e-4
    assert changed.training.patience is None
    assert changed.model.ablations == ("-DDM", "-CRM+Att")
    assert load_recipe("df-erc-mosi", ["model.text_encoder=null"]) == plain


def test_unknown_names_list_the_known_ones():
    message = refusal("df-erc-mled")
    assert all(name in message for name in recipe_names())
    message = refusal("demo", "model.name=df-ecr")
    assert all(name in message for name in _MODELS)


@pytest.mark.parametrize("pair", ["-CFM, -CFM+Att", "-CRM(full), -CRM+Att", "-CRM(zero), -CRM+Att"])
def test_contradictory_ablations_are_refused(pair):
    message = refusal("demo", f"model.ablations=[{pair}]")
    assert "exclude each other" in message
    assert all(name.lower() in message.lower() for name in pair.split(", "))


@pytest.mark.parametrize("content", ["", "3", "- a", "a: [", "a: b: c", "\tname: x"])
def test_invalid_recipe_files_are_refused(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    assert str(path) in refusal(str(path))


def test_recipe_without_a_model_is_refused(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("name: own\ndescription: x\n")
    assert "model" in refusal(str(path))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_recipe(str(tmp_path / "own.yaml"))


@pytest.mark.parametrize("where", ["file", "change"])
def test_code_in_yaml_is_refused_and_not_run(tmp_path, where):
    trace = tmp_path / "trace"
    code = f'!!python/object/apply:os.system ["touch {trace}"]'
    path = tmp_path / "own.yaml"
    path.write_text(f"name: {code}\n" if where == "file" else "name: own\n")
    refusal(str(path), *([f"name={code}"] if where == "change" else []))
    assert not trace.exists()


# Recipes of other packages


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with a plug-in that fails to import and two recipes, one of them broken."""
    recipes = tmp_path / "my_lab" / "recipes"
    recipes.mkdir(parents=True)
    (tmp_path / "my_lab" / "__init__.py").write_text("raise RuntimeError('imported')")
    own = load_recipe("demo").model_dump(mode="json") | {"name": "own", "description": "Our own."}
    (recipes / "own.yaml").write_text(yaml.safe_dump(own))
    (recipes / "broken.yaml").write_text("a: [")
    (tmp_path / "secret.yaml").write_text("name: secret")
    metadata = tmp_path / "my_lab-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: my-lab\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mmerc.models]\nmine = my_lab.model:Mine\n")
    monkeypatch.syspath_prepend(tmp_path)
    return recipes


def test_recipe_from_a_package_loads(package):
    assert load_recipe("my_lab:own", ["training.epochs=2"]).training.epochs == 2


def test_recipes_of_a_package_are_listed(package):
    listed = list_recipes()
    assert (listed["my_lab:own"].description, listed["my_lab:own"].package) == (
        "Our own.", "my-lab"
    )  # fmt: skip
    assert "is not YAML" in listed["my_lab:broken"].description
    assert {name for name in listed if ":" not in name} == set(recipe_names())
    assert {listed[name].package for name in recipe_names()} == {"mmerc"}
    assert listed["demo"].description == " ".join(load_recipe("demo").description.split())


def test_recipe_path_in_any_form(package):
    by_text, by_path = load_recipe(str(package / "own.yaml")), load_recipe(package / "own.yaml")
    assert by_text == by_path == load_recipe("my_lab:own")
    (package / "recipe").write_text((package / "own.yaml").read_text())
    assert load_recipe(package / "recipe") == by_path


@pytest.mark.parametrize("name", ["my_lab:../../secret", "my_lab:/etc/x", "../my_lab:own", "x y:a"])
def test_names_that_escape_the_package_are_refused(package, name):
    assert "No recipe is called" in refusal(name)


def test_missing_recipes_of_packages_are_refused(package):
    with pytest.raises(InputError, match="no recipe 'other'; choose from what it has: broken, own"):
        load_recipe("my_lab:other")
    assert "no package my_lap is installed" in refusal("my_lap:own")


def test_override_removes_the_setting_that_would_take_precedence():
    def training(name, *changes):
        return load_recipe(name, [f"training.{change}" for change in changes]).training

    assert training("df-erc-meld-mini").averages_weights
    assert not training("df-erc-meld-mini", "weight_averaging=0").averages_weights
    assert training("df-erc-meld-mini", "warmup_steps=7").count_warmup(1000) == 7
    assert training("df-erc-meld-mini", "batch_conversations=4").count_batches([10] * 8) == 2
    changed = training("df-erc-meld", "batch_utterances=20", "minimum_steps=0")
    assert changed.count_batches([10] * 8) == 4
    both = training("df-erc-meld", "warmup_steps=5", "warmup_share=0.1")
    assert both.count_warmup(1000) == 100
    assert training("df-erc-meld-mini", "epochs=2").count_epochs(1) == 2
    assert training("df-erc-meld-mini", "epochs=2", "minimum_steps=9").count_epochs(1) == 9
    assert training("df-erc-meld-mini", "minimum_steps=9").epochs == 6
    recipe = change_recipe(load_recipe("df-erc-meld-mini"), {"training.warmup_steps": 7})
    assert recipe.training.count_warmup(1000) == 7
    assert recipe.training.averaging_share == 0.125
