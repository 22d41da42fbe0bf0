import json
from dataclasses import replace
from statistics import mean

import pytest
import yaml

from mmerc.cli.output import silent
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.executors.executor import Executor
from mmerc.training import tuning, validation
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource
from mmerc.training.hardware import Hardware
from mmerc.training.recipe import Choices, Range
from mmerc.training.recipe_files import load_recipe, recipe_names
from mmerc.training.tuning import Tuner, _own_settings, _suggest

SPACE = {
    "training.learning_rate": {"low": 1e-3, "high": 1e-1, "log": True},
    "training.batch_conversations": {"low": 1, "high": 3},
    "model.dropout": {"choices": [0.0, 0.2, 0.5]},
}
OWN = {
    "training.learning_rate": 0.01,
    "training.batch_conversations": 2,
    "model.dropout": 0.2,
}


@pytest.fixture
def recipe(tiny_recipe):
    """The very small recipe with a search space, which ``space`` replaces."""

    def make(space=SPACE, **training):
        value = tiny_recipe(**({"epochs": 1} | training)).model_dump(mode="json")
        return type(tiny_recipe()).model_validate(value | {"search": space})

    return make


@pytest.fixture
def corpus_without_test(small_corpus):
    """The small corpus without a test split, which tuning must never need."""
    splits = {name: items for name, items in small_corpus.splits.items() if name != "test"}
    return replace(small_corpus, splits=splits)


@pytest.fixture
def tuner(tmp_path, recipe, corpus_without_test):
    def make(
        name="search", *, own=None, corpus=corpus_without_test, folds=2, jobs=1, report=silent
    ):
        return Tuner(
            recipe=own or recipe(), corpus=CorpusSource(corpus=corpus), directory=tmp_path / name,
            folds=folds, executor=Executor(jobs=jobs), hardware=Hardware(accelerator="cpu"),
            cache=RunCache(tmp_path / "cache"), report=report,
        )  # fmt: skip

    return make


def trials_of(folder):
    actual = json.loads((folder / "trials.json").read_text())
    return sorted(actual, key=lambda trial: trial["trial"])


def tries_of(tmp_path):
    return list(RunCache(tmp_path / "cache").tries())


@pytest.fixture
def trained(monkeypatch):
    """The seeds trained since then, as (recipe, corpus)."""
    calls = []

    def counted(recipe, corpus, directory, kept=validation.train_seed, **settings):
        calls.append((recipe, corpus))
        return kept(recipe, corpus, directory, **settings)

    monkeypatch.setattr(validation, "train_seed", counted)
    return calls


# A search


def test_search_writes_the_best_recipe_and_every_trial(tuner, recipe, tmp_path):
    actual = tuner().search(3)
    trials = trials_of(tmp_path / "search")
    assert [trial["trial"] for trial in trials] == [0, 1, 2]
    assert trials[0]["settings"] == OWN
    assert all(trial["settings"].keys() == SPACE.keys() for trial in trials)
    for trial in trials:
        assert len(trial["scores"]) == 2
        assert trial["weighted_f1"] == pytest.approx(mean(trial["scores"]))
    best = max(trials, key=lambda trial: trial["weighted_f1"])
    assert (actual["trials"], actual["folds"]) == (3, 2)
    assert actual["best"]["weighted_f1"] == best["weighted_f1"]
    loaded = load_recipe(str(tmp_path / "search" / "best.yaml"))
    assert _own_settings(loaded) == actual["best"]["settings"]
    assert tuning.change_recipe(loaded, OWN) == recipe()  # nothing else was touched
    values = [trial["weighted_f1"] for trial in json.loads(
        (tmp_path / "search" / "trials.json").read_text()
    )]  # fmt: skip
    assert values == sorted(values, reverse=True)


def test_weights_are_deleted_and_every_evaluation_is_logged(tuner, tmp_path):
    tuner().search(2)
    names = {path.name for path in (tmp_path / "search").iterdir()}
    assert names == {"study.db", "best.yaml", "trials.json"}
    tried = tries_of(tmp_path)
    assert [t.validated_on for t in tried] == ["fold-0", "fold-1"] * 2
    assert {(t.recipe, t.corpus, t.seed) for t in tried} == {("tiny", "small", 0)}
    assert len({t.key for t in tried}) == 4
    scores = [score for trial in trials_of(tmp_path / "search") for score in trial["scores"]]
    assert [t.weighted_f1 for t in tried] == scores


def test_repeated_search_trains_nothing(tuner, trained):
    first = tuner().search(2)
    assert len(trained) == 4
    assert tuner().search(2) == first
    assert tuner().search(1) == first
    assert len(trained) == 4


def test_more_trials_continue_the_search(tuner, trained, tmp_path):
    tuner().search(2)
    before = trials_of(tmp_path / "search")
    actual = tuner().search(5)
    after = trials_of(tmp_path / "search")
    assert after[:2] == before
    assert actual["trials"] == len(after) == 5
    settings = [json.dumps(trial["settings"], sort_keys=True) for trial in after]
    assert len(set(settings)) == 5  # earlier samples are not repeated
    assert len(trained) == 10


def test_search_in_another_folder_reuses_logged_scores(tuner, trained, tmp_path):
    first = tuner("one").search(2)
    count = len(trained)
    assert tuner("two").search(2) == first
    assert len(trained) == count
    assert len(tries_of(tmp_path)) == count


def test_single_fold_is_the_validation_split(tuner, corpus_without_test, trained, tmp_path):
    tuner(folds=1).search(1)
    ((_, corpus),) = trained
    assert corpus is corpus_without_test
    (tried,) = tries_of(tmp_path)
    assert tried.validated_on == "valid"
    (trial,) = trials_of(tmp_path / "search")
    assert trial["weighted_f1"] == tried.weighted_f1


def test_test_split_is_never_predicted(tuner, small_corpus, monkeypatch, trained):
    def predict(model, corpus, split):
        raise AssertionError(f"{split} was predicted")

    monkeypatch.setattr("mmerc.training.seed.predict_corpus", predict)
    monkeypatch.setattr("mmerc.training.scoring.predict_corpus", predict)
    tuner(corpus=small_corpus).search(1)
    assert len(trained) == 2
    tested = {c.id for c in small_corpus.splits["test"]}
    for _, corpus in trained:
        assert "test" not in corpus.splits
        assert not tested & {c.id for items in corpus.splits.values() for c in items}


def test_test_split_does_not_affect_scores(tuner, small_corpus, corpus_without_test):
    whole, without = (
        tuner(f"{i}", corpus=corpus).search(1)
        for i, corpus in enumerate([small_corpus, corpus_without_test])
    )
    assert whole == without


def test_two_jobs_score_like_one(tuner, tmp_path):
    one = tuner("one").search(1)
    (tmp_path / "cache" / "tries.jsonl").unlink()
    two = tuner("two", jobs=2).search(1)
    assert two == one
    assert len(tries_of(tmp_path)) == 2


def test_each_trial_is_reported(tuner):
    message = []
    tuner(report=message.append).search(1)
    (line,) = [line for line in message if line.startswith("trial")]
    assert "training.learning_rate=0.01" in line
    assert sum("epoch 1/1" in line for line in message) == 2


# Interruptions


def test_interrupted_search_restarts_with_the_recipes_settings(tuner, tmp_path):
    def stop(line):
        raise MmercError("training was stopped")

    with pytest.raises(MmercError, match="stopped"):
        tuner(report=stop).search(2)
    assert [path.name for path in (tmp_path / "search").iterdir()] == ["study.db"]
    actual = tuner().search(2)
    trials = trials_of(tmp_path / "search")
    assert actual["trials"] == len(trials) == 2
    assert trials[0]["settings"] == OWN


def test_interrupted_trial_does_not_count(tuner, tmp_path):
    tuner().search(1)

    def stop(line):
        raise MmercError("training was stopped")

    with pytest.raises(MmercError, match="stopped"):
        tuner(report=stop).search(2)
    assert tuner().search(3)["trials"] == 3
    assert sum(t["settings"] == OWN for t in trials_of(tmp_path / "search")) == 1


# Refusals


def test_recipe_without_a_space_is_refused(tuner, recipe, tmp_path):
    with pytest.raises(UsageError, match=r"Recipe tiny declares no search space \(`search:`\)"):
        tuner(own=recipe({})).search(1)
    assert not (tmp_path / "search").exists()


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"training.epoch": {"low": 1, "high": 3}}, "no setting 'training.epoch'"),
        ({"training.epochs.x": {"low": 1, "high": 3}}, "no setting 'training.epochs.x'"),
        ({"model.text_encoder.rank": {"low": 1, "high": 3}}, "no setting"),
        ({"training.epochs": {"low": 2, "high": 3}}, "own value 1 is not in the search space"),
        ({"training.epochs": {"low": 3, "high": 1}}, "own value 1 is not in the search space"),
        ({"model.dropout": {"low": 0, "high": 1}}, "own value 0.2 is not in the search space"),
        ({"model.dropout": {"choices": [0.1, 0.3]}}, "own value 0.2 is not in the search space"),
        ({"training.patience": {"low": 1, "high": 3}}, "own value None is not in the search"),
        ({"training.weight_decay": {"low": 0, "high": 1.0, "log": True}}, "is not in the search"),
        ({"training.schedule": {"choices": ["linear", "cubic"]}}, "training.schedule"),
        ({"training.epochs": {"low": 0, "high": 3}}, "training.epochs"),
        ({"model.dropout": {"choices": [0.2, 1.5]}}, "dropout"),
    ],
)
def test_invalid_search_space_is_refused(tuner, recipe, tmp_path, space, message):
    with pytest.raises(UsageError, match=message) as caught:
        tuner(own=recipe(space)).search(1)
    assert "\n" not in str(caught.value)
    assert "search" in str(caught.value) or "model" in str(caught.value)
    assert not (tmp_path / "search").exists()


def test_scores_that_cannot_be_compared_are_not_mixed(tuner, recipe, small_corpus, tmp_path):
    tuner().search(1)
    before = (tmp_path / "search" / "trials.json").read_text()
    space = SPACE | {"model.dropout": {"choices": [0.2, 0.3]}}
    fewer = {s: items[1:] if s == "train" else items for s, items in small_corpus.splits.items()}
    for other in (
        tuner(folds=3),
        tuner(own=recipe(epochs=2)),
        tuner(own=recipe(space)),
        tuner(corpus=replace(small_corpus, splits=fewer)),
    ):
        with pytest.raises(InputError, match="a search of another recipe, corpus or --folds"):
            other.search(2)
    assert (tmp_path / "search" / "trials.json").read_text() == before


def test_corpus_without_validation_split_needs_folds(tuner, corpus_without_test):
    only = replace(corpus_without_test, splits={"train": corpus_without_test.splits["train"]})
    assert tuner("folds", corpus=only).search(1)["trials"] == 1
    with pytest.raises(InputError, match="no valid split; choose more --folds"):
        tuner("one", corpus=only, folds=1).search(1)


def test_more_folds_than_conversations_are_refused(tuner):
    with pytest.raises(InputError, match="6 training conversations cannot make 7 folds"):
        tuner(folds=7).search(1)


# Spaces


def written(tmp_path, tiny_recipe, space):
    value = tiny_recipe().model_dump(mode="json") | {"search": space}
    (tmp_path / "own.yaml").write_text(yaml.safe_dump(value))
    return load_recipe(str(tmp_path / "own.yaml"))


def test_search_space_is_read(tmp_path, tiny_recipe):
    actual = written(tmp_path, tiny_recipe, SPACE).search
    rate, size, dropout = (actual[key] for key in SPACE)
    assert rate == Range(low=1e-3, high=1e-1, log=True)
    assert isinstance(rate.low, float)
    assert size == Range(low=1, high=3)
    assert isinstance(size.low, int)
    assert isinstance(size.high, int)
    assert dropout == Choices(choices=(0.0, 0.2, 0.5))


def test_log_range_accepts_yaml_number_forms(tmp_path, tiny_recipe):
    """YAML reads 1e-3 without a decimal point as text."""
    space = {"training.learning_rate": {"low": "1e-3", "high": "1e-1", "log": True}}
    assert written(tmp_path, tiny_recipe, space).search["training.learning_rate"].low == 1e-3


@pytest.mark.parametrize(
    "dimension",
    [
        {"low": 1, "high": 2, "step": 1},
        {"choices": [1, 2], "log": True},
        {"low": 1},
        {"choices": [1]},
        {"choices": []},
        {"low": "a", "high": "b"},
        {"values": [1, 2]},
        [1, 2],
        3,
        None,
    ],
    ids=str,
)
def test_malformed_dimension_is_refused(tmp_path, tiny_recipe, dimension):
    with pytest.raises(UsageError, match=r"search\.training\.epochs") as caught:
        written(tmp_path, tiny_recipe, {"training.epochs": dimension})
    assert "\n" not in str(caught.value)


class Asked:
    """Records the calls to Optuna."""

    def __getattr__(self, name):
        return lambda *arguments, **settings: (name, arguments, settings)


@pytest.mark.parametrize(
    ("space", "expected"),
    [
        (Choices(choices=(1, "a", None)), ("suggest_categorical", ("k", (1, "a", None)), {})),
        (Range(low=1, high=4), ("suggest_int", ("k", 1, 4), {"log": False})),
        (Range(low=1, high=64, log=True), ("suggest_int", ("k", 1, 64), {"log": True})),
        (Range(low=0, high=0.5), ("suggest_float", ("k", 0, 0.5), {"log": False})),
        (Range(low=1e-5, high=1, log=True), ("suggest_float", ("k", 1e-5, 1), {"log": True})),
    ],
)
def test_each_dimension_form_is_sampled_correctly(space, expected):
    assert _suggest(Asked(), "k", space) == expected


def test_search_spaces_of_shipped_recipes_are_valid():
    for name in recipe_names():
        tuning._check_space(load_recipe(name))
