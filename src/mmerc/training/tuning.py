"""Hyperparameter search, scored on validation or on folds of training conversations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import optuna
import yaml
from optuna.trial import TrialState
from pydantic import ValidationError

from mmerc.errors import InputError, UsageError
from mmerc.executors.executor import Executor, Workers
from mmerc.files import fingerprint, write_json, write_text
from mmerc.training.cache import RunCache
from mmerc.training.corpus_source import CorpusSource, Fold
from mmerc.training.hardware import Hardware
from mmerc.training.job import TrainingJob
from mmerc.training.recipe import Choices, Recipe, SearchSpace, change_recipe, recipe_error
from mmerc.training.reporting import Reporter
from mmerc.training.validation import validate


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuner:
    """A resumable search over the space declared in the recipe."""

    recipe: Recipe
    corpus: CorpusSource
    directory: Path
    folds: int
    executor: Executor
    hardware: Hardware
    cache: RunCache
    report: Reporter

    def search(self, trials: int) -> dict[str, Any]:
        """Run until ``trials`` trials are finished; write ``best.yaml`` and ``trials.json``."""
        self.check()
        self.directory.mkdir(parents=True, exist_ok=True)
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        study = optuna.create_study(
            storage=f"sqlite:///{self.directory / 'study.db'}",
            study_name=self.recipe.name,
            direction="maximize",
            load_if_exists=True,
        )
        self.check_same(study)
        # Not the previous call's seed, which would draw the same settings again.
        study.sampler = optuna.samplers.TPESampler(seed=len(study.trials))
        done = study.get_trials(states=(TrialState.COMPLETE,))
        if not done:
            study.enqueue_trial(_own_settings(self.recipe))
        with self.executor.start() as workers:
            study.optimize(partial(self.attempt, workers), n_trials=max(0, trials - len(done)))
        return self.write(study)

    def check(self) -> None:
        """Refuse an invalid search before anything is written."""
        if not self.recipe.search:
            raise UsageError(f"Recipe {self.recipe.name} declares no search space (`search:`).")
        _check_space(self.recipe)
        for source in self.sources():
            source.open()

    def check_same(self, study: optuna.Study) -> None:
        """Refuse to mix incomparable scores."""
        settings = self.recipe.model_dump(mode="json", exclude={"description"})
        parts = {"recipe": settings, "corpus": self.corpus.open().fingerprints, "folds": self.folds}
        now = fingerprint(parts)
        if study.user_attrs.get("begun_with", now) != now:
            problem = "contains a search of another recipe, corpus or --folds"
            raise InputError(self.directory, problem, "choose another --out")
        study.set_user_attr("begun_with", now)

    def attempt(self, workers: Workers, trial: optuna.Trial) -> float:
        """Score one trial: the mean over folds, or the score on validation."""
        chosen = {key: _suggest(trial, key, space) for key, space in self.recipe.search.items()}
        recipe = change_recipe(self.recipe, chosen)
        jobs = [
            TrainingJob(
                recipe=recipe, corpus=source, seed=0, name=source.validated_on,
                directory=(
                    self.directory / f"trial-{trial.number}-{source.validated_on}"
                ).absolute(),
                hardware=self.hardware, cache=self.cache, report=self.report,
            )
            for source in self.sources()
        ]  # fmt: skip
        scores = workers.map(validate, jobs)
        trial.set_user_attr("scores", scores)
        settings = ", ".join(f"{key}={value}" for key, value in chosen.items())
        self.report(f"trial {trial.number}: {mean(scores):.2f} with {settings}")
        return mean(scores)

    def sources(self) -> list[CorpusSource]:
        """Return the corpus with its valid split, or one source per fold."""
        if self.folds != 1:
            folds = [Fold(number=number, folds=self.folds) for number in range(self.folds)]
            return [replace(self.corpus, fold=fold) for fold in folds]
        corpus = self.corpus.open()
        if not corpus.splits.get("valid"):
            fix = "choose more --folds, or prepare a corpus with one"
            raise InputError(f"corpus {corpus.name!r}", "no valid split", fix)
        return [self.corpus]

    def write(self, study: optuna.Study) -> dict[str, Any]:
        """Write the best recipe and all trials."""
        finished = [trial for trial in study.trials if trial.value is not None]
        trials = [
            {"trial": t.number, "weighted_f1": t.value, "settings": t.params, **t.user_attrs}
            for t in sorted(finished, key=lambda t: -(t.value or 0))
        ]
        best = change_recipe(self.recipe, study.best_params).model_dump(mode="json")
        write_text(self.directory / "best.yaml", yaml.safe_dump(best, sort_keys=False))
        write_json(self.directory / "trials.json", trials)
        return {"best": trials[0], "trials": len(trials), "folds": self.folds}


def _suggest(trial: optuna.Trial, key: str, space: SearchSpace) -> Any:
    """Let Optuna choose the value of one setting."""
    if isinstance(space, Choices):
        return trial.suggest_categorical(key, space.choices)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(key, space.low, space.high, log=space.log)
    return trial.suggest_float(key, space.low, space.high, log=space.log)


def _check_space(recipe: Recipe) -> None:
    """Refuse a space that has invalid values or lacks the recipe's own values."""
    for key, own_value in _own_settings(recipe).items():
        space = recipe.search[key]
        if not _contains(space, own_value):
            problem = f"its own value {own_value!r} is not in the search space"
            raise UsageError(f"Recipe {recipe.name}, search.{key}: {problem}.")
        for value in space.choices if isinstance(space, Choices) else (space.low, space.high):
            try:
                change_recipe(recipe, {key: value})
            except ValidationError as error:
                raise recipe_error(error, recipe.name, inside=("search",)) from error


def _contains(space: SearchSpace, value: Any) -> bool:
    """Whether a value is in one dimension of the space."""
    if isinstance(space, Choices):
        return value in space.choices
    if not isinstance(value, int | float) or (space.log and space.low <= 0):
        return False
    whole = isinstance(space.low, int) and isinstance(space.high, int)
    return space.low <= value <= space.high and (isinstance(value, int) or not whole)


def _own_settings(recipe: Recipe) -> dict[str, Any]:
    """Return the recipe's own values, the first trial, as the baseline."""
    settings = recipe.model_dump(mode="json")

    def value(key: str) -> Any:
        setting: Any = settings
        for part in key.split("."):
            if not isinstance(setting, dict) or part not in setting:
                raise UsageError(f"Recipe {recipe.name}, search: it has no setting {key!r}.")
            setting = setting[part]
        return setting

    return {key: value(key) for key in recipe.search}
