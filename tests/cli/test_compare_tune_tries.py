import json
import shutil

import pytest
import yaml
from folders import assert_files

from mmerc.training.recipe_files import load_recipe

SPACE = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "model.dropout": {"choices": [0.0, 0.2]},
}


@pytest.fixture(scope="module")
def other_run(place, done, trimodal_corpus, small_recipe):
    changes = ("--set", "model.ablations=[-DDM]", "--set", "training.learning_rate=0.01")
    arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus, "--quiet", *changes)
    done("train", *arguments, "--out", place / "other-run", "--seeds", 2)
    return place / "other-run"


@pytest.fixture(scope="module")
def searched_recipe(place, small_recipe):
    value = yaml.safe_load(small_recipe.read_text()) | {"search": SPACE}
    (place / "searched.yaml").write_text(yaml.safe_dump(value))
    return place / "searched.yaml"


@pytest.fixture
def tune(mmerc, searched_recipe, trimodal_corpus, tmp_path):
    """``mmerc tune`` with two folds of the trimodal corpus; options come last."""

    def call(*options, trials=2):
        arguments = ("--recipe", searched_recipe, "--corpus", trimodal_corpus, "--folds", 2)
        out = ("--out", tmp_path / "out", "--trials", trials)
        return mmerc("tune", *arguments, *out, *options)

    return call


@pytest.fixture
def trained(done, small_recipe, trimodal_corpus, tmp_path):
    """``mmerc train`` with this test's own cache."""

    def call(name, *options):
        arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus, "--quiet")
        return done("train", *arguments, "--out", tmp_path / name, *options)

    return call


def scores_of(run, metric):
    seeds = json.loads((run / "result.json").read_text())["seeds"]
    return [seed["test"][metric] for seed in seeds]


@pytest.mark.parametrize("command", ["compare", "tune", "tries"])
def test_help_has_an_example_and_json(mmerc, command):
    outcome = mmerc(command, "--help")
    assert (outcome.code, outcome.err) == (0, "")
    assert "Example" in outcome.out
    assert f"mmerc {command}" in " ".join(outcome.out.split())
    assert "--json" in outcome.out


# compare


def test_compare_prints_one_row_per_run(done, trimodal_run, other_run):
    outcome = done("compare", trimodal_run, other_run)
    assert outcome.err == ""
    lines = outcome.out.splitlines()
    assert lines[0].split() == ["run", "seeds", "test", "weighted_f1"]
    first, second = lines[1].split(), lines[2].split()
    assert (first[:2], second[:2]) == ([str(trimodal_run), "1"], [str(other_run), "2"])
    own, others = (scores_of(run, "weighted_f1") for run in (trimodal_run, other_run))
    assert f"{own[0]:.2f} +- 0.00" in lines[1]
    assert f"{sum(others) / 2:.2f} +- " in lines[2]
    assert lines[4] == f"against {trimodal_run}:"
    assert "Holm" in lines[5]
    assert lines[6].startswith(str(other_run))
    assert f"{sum(others) / 2 - own[0]:+.2f}" in lines[6]
    assert len(lines) == 7


@pytest.mark.parametrize("metric", ["weighted_f1", "macro_f1", "accuracy"])
def test_compare_as_json(done, trimodal_run, other_run, tmp_path, metric):
    shutil.copytree(trimodal_run, tmp_path / "twin")
    arguments = (trimodal_run, other_run, tmp_path / "twin", "--metric", metric, "--json")
    outcome = done("compare", *arguments)
    value = outcome.json
    assert value["reference"] == str(trimodal_run)
    one, twin = value["runs"]
    assert [one["name"], twin["name"]] == [str(other_run), str(tmp_path / "twin")]
    own, others = (scores_of(run, metric) for run in (trimodal_run, other_run))
    assert one["bootstrap"]["metric"] == metric
    assert one["bootstrap"]["difference"] == pytest.approx(sum(others) / 2 - own[0], abs=1e-3)
    assert one["seeds"]["t_p_value"] is None
    assert len(one["mcnemar_p_values"]) == 1
    assert (twin["bootstrap"]["difference"], twin["adjusted"]) == (0, 1)
    assert "NaN" not in outcome.out


def test_compare_does_not_change_runs(done, trimodal_run, other_run):
    def state():
        paths = (path for run in (trimodal_run, other_run) for path in run.rglob("*"))
        return {path: path.stat().st_mtime_ns for path in paths}

    before = state()
    done("compare", trimodal_run, other_run)
    assert state() == before


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], "runs"),
        (["RUN"], "two or more different runs"),
        (["RUN", "RUN"], "two or more different runs"),
        (["RUN", "OTHER", "--metric", "f1"], "'f1' is unknown"),
        (["RUN", "OTHER", "--strange"], "--strange"),
    ],
)
def test_invalid_comparisons_are_refused(mmerc, trimodal_run, other_run, options, named):
    runs = {"RUN": trimodal_run, "OTHER": other_run}
    outcome = mmerc("compare", *(runs.get(option, option) for option in options))
    assert (outcome.code, outcome.out) == (2, "")
    assert named in outcome.sentence.lower()


def test_incomparable_runs_are_refused(mmerc, trimodal_run, text_run, tmp_path):
    (tmp_path / "begun").mkdir()
    for folder in (tmp_path / "none", tmp_path / "begun"):
        outcome = mmerc("compare", trimodal_run, folder)
        assert (outcome.code, outcome.out) == (1, "")
        assert str(folder) in outcome.sentence
    outcome = mmerc("compare", trimodal_run, text_run)
    assert (outcome.code, outcome.out) == (1, "")
    assert outcome.sentence


# tune


def test_tune_prints_the_best_settings(tune, tmp_path):
    outcome = tune("--quiet")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert lines[0].startswith("best of 2 trials: weighted F1 ")
    settings = {words[0]: words[1] for words in (line.split() for line in lines[2:-1])}
    assert settings.keys() == SPACE.keys()
    assert lines[-1] == f"recipe in {tmp_path / 'out' / 'best.yaml'}"
    best = load_recipe(str(tmp_path / "out" / "best.yaml"))
    assert str(best.training.learning_rate) == settings["training.learning_rate"]


def test_tune_as_json_and_then_train(tune, trained, tmp_path):
    outcome = tune("--json")
    value = outcome.json
    assert (value["trials"], value["folds"]) == (2, 2)
    assert value["best"]["settings"].keys() == SPACE.keys()
    assert sum(line.startswith("trial ") for line in outcome.err.splitlines()) == 2
    again = tune("--json")
    assert again.json == value
    assert again.err == ""
    assert tune("--json", "--quiet", trials=3).json["trials"] == 3
    result = trained("run", "--recipe", tmp_path / "out" / "best.yaml", "--json").json
    assert result["recipe"] == "small"


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--trials", "0"], "--trials"),
        (["--folds", "0"], "--folds"),
        (["--jobs", "0"], "--jobs"),
        (["--accelerator", "abacus"], "abacus"),
        (["--set", "search={}"], "no search space"),
        (["--set", "search={training.epoch: {low: 1, high: 2}}"], "training.epoch"),
        (["--set", "search={training.epochs: {low: 2, high: 3}}"], "own value 1"),
        (["--set", "search={training.epochs: {low: 1, up: 3}}"], "search.training.epochs"),
        (["--set", "training.learning_rate=5"], "own value 5"),
        (["--recipe", "none"], "none"),
    ],
)
def test_invalid_searches_are_refused(tune, tmp_path, options, named):
    outcome = tune(*options)
    assert (outcome.code, outcome.out) == (2, "")
    assert named in outcome.sentence
    assert_files(tmp_path, [])


def test_impossible_searches_are_refused(tune, tmp_path):
    for options, named in (
        (["--folds", "9"], "8 training conversations cannot make 9 folds"),
        (["--corpus", tmp_path / "none"], "none"),
        (["--recipe", "none.yaml"], "none.yaml"),
    ):
        outcome = tune(*options)
        assert (outcome.code, outcome.out) == (1, "")
        assert named in outcome.sentence
        assert_files(tmp_path, [])
    (tmp_path / "file").write_text("mine")
    outcome = tune("--out", tmp_path / "file")
    assert outcome.code == 1
    assert str(tmp_path / "file") in outcome.sentence
    assert (tmp_path / "file").read_text() == "mine"


def test_search_is_not_continued_with_other_settings(tune):
    assert tune("--quiet", trials=1).code == 0
    for options in (["--folds", "3"], ["--set", "training.epochs=2"]):
        outcome = tune(*options)
        assert (outcome.code, outcome.out) == (1, "")
        assert "choose another --out" in outcome.sentence


# tries


def test_tries_counts_uses_of_validation(done, trained, tune):
    assert done("tries").out.splitlines()[-1] == "0 training runs were scored on validation"
    assert done("tries", "--json").json == []
    trained("one", "--seeds", 2)
    trained("two", "--seeds", 2)  # from the cache
    trained("three", "--set", "training.learning_rate=0.02")
    trained("four", "--set", "name=other", "--set", "model.dropout=0.4", "--no-cache")
    tune("--quiet", trials=1)
    outcome = done("tries")
    assert outcome.err == ""
    head, row, last = outcome.out.splitlines()
    assert head.split()[:3] == ["corpus", "recipe", "runs"]
    listed = done("tries", "--json").json
    assert len(listed) == 5
    best = max(item["weighted_f1"] for item in listed)
    assert row.split() == ["trimodal", "small", "5", "2", f"{best:.2f}"]
    assert last == "5 training runs were scored on validation"
    assert [(item["validated_on"], item["seed"]) for item in listed] == [
        ("valid", 0), ("valid", 1), ("valid", 0), ("fold-0", 0), ("fold-1", 0),
    ]  # fmt: skip
    assert done("tries", "--corpus", "trimodal", "--json").json == listed
    assert done("tries", "--corpus", "other", "--json").json == []
    none = done("tries", "--corpus", "other").out
    assert none.endswith("0 training runs were scored on validation\n")


def test_train_reports_cached_seeds(trained, done, small_recipe, trimodal_corpus, tmp_path):
    first = trained("one", "--json").json
    arguments = ("--recipe", small_recipe, "--corpus", trimodal_corpus, "--json")
    again = done("train", *arguments, "--out", tmp_path / "two")
    assert again.json == first
    assert again.err == "seed 0: taken from the cache\n"
    again = done("train", *arguments, "--out", tmp_path / "three", "--no-cache")
    assert "epoch 1/1" in again.err
    assert again.json == first


@pytest.mark.parametrize("options", [["--strange"], ["extra"], ["--corpus"]])
def test_invalid_tries_calls_are_refused(mmerc, options):
    outcome = mmerc("tries", *options)
    assert (outcome.code, outcome.out) == (2, "")
    assert options[0] in outcome.sentence
