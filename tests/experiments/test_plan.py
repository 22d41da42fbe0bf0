from dataclasses import replace

import pytest

from mmerc.errors import InputError, UsageError
from mmerc.experiments.reproduction.plan import PlanOptions, _replaced_model, make_plan
from mmerc.experiments.reproduction.workspace import _folder_name
from mmerc.training.recipe import change_recipe
from mmerc.training.recipe_files import load_recipe


@pytest.fixture
def plan(small_corpus):
    def make(name="df-erc-table2", *, corpus=small_corpus, without=(), **options):
        features = {m: t for m, t in corpus.features.items() if m not in without}
        return make_plan(name, replace(corpus, features=features), PlanOptions(**options))

    return make


def test_recipe_depends_on_the_corpus(plan, small_corpus):
    assert plan().recipes["DF-ERC"].name == "df-erc-composed-cached"
    assert plan(end_to_end=True).recipes["DF-ERC"].model.trains_text_encoder
    mosi = plan(corpus=replace(small_corpus, name="mosi"))
    assert mosi.recipes["DF-ERC"].name == "df-erc-mosi"
    assert plan(corpus=replace(small_corpus, name="iemocap")).reference.compare == "iemocap"


def test_both_modes_give_a_report(plan):
    folders = {plan().folder, plan(end_to_end=True).folder}
    assert folders == {"df-erc-table2", "df-erc-table2-end-to-end"}


def test_equal_rows_are_trained_once(plan):
    first, second, third = (plan(n) for n in ("df-erc-table2", "df-erc-table3", "df-erc-figure9"))
    same = [first.recipes["DF-ERC"], second.recipes["T+A+V"], third.recipes["0.3"]]
    assert len({_folder_name(recipe) for recipe in same}) == 1
    assert _folder_name(first.recipes["-DDM"]) != _folder_name(same[0])


def test_published_rows_are_not_trained(plan):
    predictions = plan("df-erc-table1")
    assert "UniMSE" not in predictions.recipes
    assert "UniMSE" in [row.name for row in predictions.rows]
    assert predictions.recipes["bc-LSTM"].training == predictions.recipes["DF-ERC"].training


def test_settings_of_the_system_do_not_affect_baselines(plan):
    changes = ("model.fusion_width=8", "training.epochs=3", "model.dropout=0.3")
    predictions = plan("df-erc-table1", changes=changes).recipes
    assert predictions["DF-ERC"].model.fusion_width == 8
    assert {recipe.training.epochs for recipe in predictions.values()} == {3}
    assert predictions["bc-LSTM"].model.name == "bc-lstm"
    assert predictions["Late fusion"].model.dropout == 0.3


def test_baselines_read_the_same_history_as_the_system():
    """A recipe that hides the states of preceding utterances hides them from every row."""
    recipe = change_recipe(load_recipe("dq-former-iemocap"), {"model.history_states": False})
    for name in ("sa", "mult", "mbt", "text-only"):
        model = change_recipe(recipe, _replaced_model(recipe, {"name": name})).model
        assert (model.name, model.history_states, model.history) == (name, False, 5)


def test_contribution_is_ablated_separately(plan):
    """Table 2 has both interpretations of -DDM, and the weights and losses of -CFM separately."""
    recipes = plan().recipes
    kept, dropped = (recipes[name].model for name in ("-DDM", "-DDM, branch dropped"))
    assert kept.ablations == dropped.ablations == ("-DDM",)
    assert (kept.drop_branch, dropped.drop_branch) == (False, True)
    for part in ("weights", "losses"):
        assert recipes[f"-CFM({part})"].model.ablations == (f"-CFM({part})",)


def test_visibly_noisy_corpus_uses_the_composed_recipes(plan, small_corpus):
    noisy = replace(small_corpus, name="composed-visible-noise")
    for target, row in (("df-erc-table2", "DF-ERC"), ("multiemo-table2", "MultiEMO")):
        predictions = plan(target, corpus=noisy)
        assert predictions.recipes[row] == plan(target).recipes[row]
        assert "disturbed" in predictions.reference.differs


def test_chosen_rows_include_the_baseline(plan):
    assert list(plan(rows=("-CFM",)).recipes) == ["DF-ERC", "-CFM"]


def test_missing_setting_omits_one_row(plan):
    predictions = plan("df-erc-decisions", rows=("Contrast over the whole batch",))
    assert predictions.recipes["Contrast over the whole batch"].model.scope == "batch"


@pytest.mark.parametrize(
    ("without", "choice", "named"),
    [
        (("audio",), {}, "no audio vectors, which df-erc-table2 needs; add them with `mmerc extr"),
        (("text",), {}, "no text vectors, which df-erc-table2 needs; store them with `mmerc encod"),
        (("video",), {"end_to_end": True}, "no video vectors"),
    ],
)
def test_corpus_without_a_modality(plan, without, choice, named):
    with pytest.raises(InputError) as caught:
        plan(without=without, **choice)
    assert named in str(caught.value)
    assert "corpus 'small'" in str(caught.value)


def test_end_to_end_needs_no_text_vectors(plan):
    assert plan(without=("text",), end_to_end=True).recipes


@pytest.mark.parametrize(
    ("name", "choice", "named"),
    [
        ("df-erc-table9", {}, "No target is called"),
        ("df-erc-table2", {"rows": ("-XYZ",)}, "no row '-XYZ'; it has DF-ERC, -DDM"),
        ("df-erc-table2", {"changes": ("model.strange=1",)}, "model.strange"),
        ("df-erc-table2", {"changes": ("training",)}, "key.key=value"),
        ("multiemo-table1", {}, "is for iemocap, not for small"),
        ("dq-former-table3", {}, "not for small"),
    ],
)
def test_invalid_plans_are_refused(plan, name, choice, named):
    with pytest.raises(UsageError) as caught:
        plan(name, **choice)
    assert named in str(caught.value)


def test_audio_models_need_audio(plan, small_corpus):
    with pytest.raises(UsageError, match="--media"):
        plan("dq-former-table3", corpus=replace(small_corpus, name="composed"))


def test_unknown_mode(plan, small_corpus):
    with pytest.raises(UsageError, match="has no end-to-end recipe"):
        plan("multiemo-table2", corpus=replace(small_corpus, name="meld"), end_to_end=True)
