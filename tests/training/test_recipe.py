import pytest
import yaml

from mmerc.errors import InputError, UsageError
from mmerc.models.registry import MODELS
from mmerc.training.recipe import load_recipe, recipe_names

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
    assert recipe.model.name in MODELS
    assert isinstance(recipe.model, MODELS[recipe.model.name].config_class)


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_papers_numbers(name):
    recipe = load_recipe(name)
    found = recipe.model.model_dump() | recipe.training.model_dump()
    expected = BOTH | PUBLISHED[name]
    assert {key: found[key] for key in expected} == expected
    assert recipe.model.text_encoder.name == "roberta-large"
    assert recipe.model.ablations == ()


def test_a_dumped_recipe_is_the_same_recipe(tmp_path):
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
def test_settings_that_cannot_be_meant_are_named(change, named):
    assert named in refusal("demo", change)


@pytest.mark.parametrize("change", ["", "=", "=3", "training.epochs", "training.epochs=["])
def test_changes_of_a_bad_form(change):
    assert refusal("demo", change).startswith("--set ")


def test_a_value_has_no_settings_of_its_own():
    assert "'epochs' holds a value" in refusal("demo", "training.epochs.more=1")


def test_changes_reach_into_settings_that_are_null():
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
    told = refusal("df-erc-mled")
    assert all(name in told for name in recipe_names())
    told = refusal("demo", "model.name=df-ecr")
    assert all(name in told for name in MODELS)


@pytest.mark.parametrize("pair", ["-CFM, -CFM+Att", "-CRM(full), -CRM+Att", "-CRM(zero), -CRM+Att"])
def test_ablations_that_contradict_each_other(pair):
    told = refusal("demo", f"model.ablations=[{pair}]")
    assert "exclude each other" in told
    assert all(name.lower() in told.lower() for name in pair.split(", "))


@pytest.mark.parametrize("content", ["", "3", "- a", "a: [", "a: b: c", "\tname: x"])
def test_files_that_are_no_recipe(tmp_path, content):
    path = tmp_path / "own.yaml"
    path.write_text(content)
    assert str(path) in refusal(str(path))


def test_a_recipe_without_a_model(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("name: own\ndescription: x\n")
    assert "model" in refusal(str(path))


def test_a_file_that_is_not_there(tmp_path):
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
