"""Plan the recipes to train for a target and a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.experiments.reproduction.catalogue import Draw, find_plots, find_target
from mmerc.experiments.reproduction.targets import (
    OTHER_CORPUS,
    PaperTargets,
    ReferenceCorpus,
    SystemRecipe,
    SystemRecipes,
    Target,
    TargetRow,
)
from mmerc.models.registry import model_class
from mmerc.training.recipe import Recipe, change_recipe, recipe_error
from mmerc.training.recipe_files import apply_changes, load_recipe, recipe_names
from mmerc.training.scoring import check_sounds

_INPUTS = (
    "modalities",
    "text_encoder",
    "speech_encoder",
    "history",
    "history_states",
    "gradient_checkpointing",
)
_QUICK = {"training.epochs": 1, "training.patience": None}
_SEEDS = 5


class _RowError(Exception):
    """The reason why a row cannot be trained, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOptions:
    """Options of a reproduction: mode, size, seeds (None: default), rows, settings.

    ``targets`` is a target file to look the target up in.
    """

    end_to_end: bool = False
    quick: bool = False
    rows: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    seeds: int | None = None
    targets: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a target on a corpus: a recipe for every row to train.

    Masked rows have the recipe of their model. ``left_out``: why a row is not trained. ``plots``:
    functions that draw the target. ``baseline``: the recipe of the row to compare with.
    """

    name: str
    paper: PaperTargets
    target: Target
    reference: ReferenceCorpus
    rows: tuple[TargetRow, ...]
    trained: tuple[TargetRow, ...]
    recipes: Mapping[str, Recipe]
    baseline: Recipe
    left_out: Mapping[str, str]
    plots: tuple[Draw, ...]
    seeds: int
    quick: bool
    uses_folds: bool
    folder: str


def make_plan(name: str, corpus: PreparedCorpus, options: PlanOptions) -> Plan:
    """Choose a recipe per row; UsageError or InputError if the corpus does not allow it."""
    file = find_target(name, options.targets)
    paper, target = file.paper, file.paper.targets[name]
    reference = _reference_corpus(name, paper, corpus)
    rows = _selected_rows(name, target, options)
    recipes: dict[str, Recipe] = {}
    left_out: dict[str, str] = {}
    for row in (row for row in rows if not row.published):
        try:
            system = paper.systems[row.system or target.system]
            recipes[row.name] = _row_recipe(
                row, _system_recipe(name, system, corpus, options), options
            )
        except _RowError as error:
            left_out[row.name] = str(error)
    for recipe in recipes.values():
        _check_modalities(name, recipe, corpus)
    if target.baseline not in recipes:
        raise UsageError(f"{name} needs its row {target.baseline}, but {left_out[target.baseline]}")
    return Plan(
        name=name,
        paper=paper,
        target=target,
        reference=reference,
        rows=rows,
        trained=tuple(row for row in rows if row.name in recipes),
        recipes=recipes,
        baseline=recipes[target.baseline],
        left_out=left_out,
        plots=find_plots(target, file),
        seeds=_seeds(target, options),
        quick=options.quick,
        uses_folds=target.uses_folds,
        folder=name + "-end-to-end" * options.end_to_end,  # each mode has a report
    )


def _seeds(target: Target, options: PlanOptions) -> int:
    """Return the requested number of seeds, limited by the target's maximum."""
    if options.quick:
        return 1
    if target.uses_folds:
        return options.seeds or target.seeds or 1
    return min(options.seeds or _SEEDS, target.seeds or options.seeds or _SEEDS)


def _reference_corpus(name: str, paper: PaperTargets, corpus: PreparedCorpus) -> ReferenceCorpus:
    """Find the reference corpus; UsageError if the target excludes the corpus."""
    key = corpus.name if corpus.name in paper.corpora else OTHER_CORPUS
    allowed = paper.targets[name].corpora
    if key not in paper.corpora or (allowed is not None and key not in allowed):
        names = ", ".join(allowed or paper.corpora)
        raise UsageError(f"{name} is for {names}, not for {corpus.name}; choose another target.")
    return paper.corpora[key]


def _selected_rows(name: str, target: Target, options: PlanOptions) -> tuple[TargetRow, ...]:
    """Select rows by name; the baseline is always included."""
    names = [row.name for row in target.rows]
    for row in options.rows:
        if row not in names:
            raise UsageError(f"{name} has no row {row!r}; it has {', '.join(names)}.")
    if not options.rows:
        return target.rows
    selected = {*options.rows, target.baseline}
    return tuple(row for row in target.rows if row.name in selected)


def _system_recipe(
    name: str, system: Mapping[str, SystemRecipes], corpus: PreparedCorpus, options: PlanOptions
) -> SystemRecipe:
    """Choose the recipe: stored text vectors, unless the text encoder is to be trained."""
    recipes = system.get(corpus.name, system.get(OTHER_CORPUS))
    if recipes is None:
        raise _RowError(f"there is no recipe for {corpus.name}.")
    if options.end_to_end and recipes.end_to_end is None:
        raise UsageError(f"{name} has no end-to-end recipe; leave --end-to-end out.")
    recipe = recipes.end_to_end if options.end_to_end else recipes.cached or recipes.end_to_end
    if recipe is None:
        raise UsageError(f"{name} has no recipe on stored text vectors; pass --end-to-end.")
    return recipe


def _row_recipe(row: TargetRow, system: SystemRecipe, options: PlanOptions) -> Recipe:
    """Build the recipe of a row; _RowError if this version has none."""
    plain_name = ":" not in system.recipe and not system.recipe.endswith((".yaml", ".yml"))
    if plain_name and system.recipe not in recipe_names():
        raise _RowError(f"this version has no recipe {system.recipe}.")
    recipe = load_recipe(system.recipe)
    try:
        recipe = change_recipe(recipe, _replaced_model(recipe, system.model))
        recipe = change_recipe(recipe, _replaced_model(recipe, row.model) | row.set)
    except UsageError as error:
        problem = f"this version lacks the setting ({str(error).rstrip('.')})."
        raise _RowError(problem) from error
    if options.quick:
        recipe = change_recipe(recipe, _QUICK)
    return _with_changes(recipe, _applicable_changes(row, recipe, options))


def _replaced_model(recipe: Recipe, model: dict[str, Any] | None) -> dict[str, Any]:
    """Put another model into a recipe, on the same modalities and with the same encoders."""
    if model is None:
        return {}
    settings = recipe.model.model_dump(mode="json")
    fields = model_class(str(model["name"])).config_class.model_fields
    inputs = {key: settings[key] for key in _INPUTS if key in settings and key in fields}
    return {"model": inputs | model}


def _applicable_changes(row: TargetRow, recipe: Recipe, options: PlanOptions) -> list[str]:
    """Return the ``--set`` changes that apply to a row's model."""
    if row.model is None and row.system is None:
        return list(options.changes)
    fields = type(recipe.model).model_fields
    return [
        change
        for change in options.changes
        if not change.startswith("model.") or change.split("=")[0].split(".")[1] in fields
    ]


def _with_changes(recipe: Recipe, changes: list[str]) -> Recipe:
    """Apply ``key.key=value`` changes; UsageError if invalid."""
    value = recipe.model_dump(mode="json")
    apply_changes(value, changes)
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        raise recipe_error(error, recipe.name) from error


def _check_modalities(name: str, recipe: Recipe, corpus: PreparedCorpus) -> None:
    """Reject a corpus without a required modality, before training."""
    if recipe.model.speech is not None:
        check_sounds(corpus)
    trained = {"text": recipe.model.trains_text_encoder, "audio": recipe.model.speech is not None}
    for modality in recipe.model.modalities:
        if modality in corpus.features or trained.get(modality, False):
            continue
        fix = "add them with `mmerc extract`, or choose a target without them"
        if modality == "text":
            fix = "store them with `mmerc encode-text`, or pass --end-to-end"
        problem = f"it has no {modality} vectors, which {name} needs"
        raise InputError(f"corpus {corpus.name!r}", problem, fix)
