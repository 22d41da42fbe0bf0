"""From a target and a corpus to the recipes that must be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.experiments.target import (
    OTHER,
    Comparison,
    Paper,
    Row,
    Source,
    Sources,
    Target,
    find_target,
)
from mmerc.files import fingerprint
from mmerc.models.registry import model_class
from mmerc.training.cache import NOT_PART_OF_A_SEED
from mmerc.training.recipe import Recipe, change_recipe, recipe_error
from mmerc.training.recipe_files import apply_change, load_recipe, recipe_names
from mmerc.training.scoring import check_sounds

INPUTS = ("modalities", "text_encoder", "speech_encoder", "history", "gradient_checkpointing")
QUICK = {"training.epochs": 1, "training.patience": None}


class RowError(Exception):
    """Why a row cannot be trained, as the end of a sentence."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """What somebody asked for: mode, size, some rows only, other settings."""

    end_to_end: bool = False
    quick: bool = False
    rows: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a target comes to on a corpus; ``left_out`` says why a row is not trained.

    ``recipes`` has one for every row that is trained, masked rows that of their model.
    """

    name: str
    paper: Paper
    target: Target
    comparison: Comparison
    end_to_end: bool
    rows: tuple[Row, ...]
    recipes: Mapping[str, Recipe]
    left_out: Mapping[str, str]

    @property
    def folder(self) -> str:
        """Where its report lies: both modes have one."""
        return self.name + "-end-to-end" * self.end_to_end

    @property
    def trained(self) -> tuple[Row, ...]:
        return tuple(row for row in self.rows if row.name in self.recipes)


def make_plan(name: str, corpus: PreparedCorpus, choice: Choice) -> Plan:
    """Choose recipes; one sentence where the target cannot be had on this corpus."""
    paper, target = find_target(name)
    compared = comparison(name, paper, corpus)
    rows = chosen_rows(name, target, choice)
    recipes: dict[str, Recipe] = {}
    left_out: dict[str, str] = {}
    for row in (row for row in rows if not row.published):
        try:
            source = chosen_source(name, paper.systems[row.system or target.system], corpus, choice)
            recipes[row.name] = row_recipe(row, source, choice)
        except RowError as error:
            left_out[row.name] = str(error)
    for recipe in recipes.values():
        check_modalities(name, recipe, corpus)
    if target.baseline not in recipes:
        raise UsageError(f"{name} needs its row {target.baseline}, but {left_out[target.baseline]}")
    return Plan(
        name=name,
        paper=paper,
        target=target,
        comparison=compared,
        end_to_end=choice.end_to_end,
        rows=rows,
        recipes=recipes,
        left_out=left_out,
    )


def comparison(name: str, paper: Paper, corpus: PreparedCorpus) -> Comparison:
    """Whose numbers stand beside ours; UsageError where the target is another corpus's."""
    known = corpus.name if corpus.name in paper.corpora else OTHER
    wanted = paper.targets[name].corpora
    if known not in paper.corpora or (wanted is not None and known not in wanted):
        places = ", ".join(wanted or paper.corpora)
        raise UsageError(f"{name} is made on {places}, not on {corpus.name}; take another target.")
    return paper.corpora[known]


def chosen_rows(name: str, target: Target, choice: Choice) -> tuple[Row, ...]:
    """Rows by their names; the one that others are compared with is always among them."""
    known = [row.name for row in target.rows]
    for row in choice.rows:
        if row not in known:
            raise UsageError(f"{name} has no row {row!r}; it has {', '.join(known)}.")
    if not choice.rows:
        return target.rows
    wanted = {*choice.rows, target.baseline}
    return tuple(row for row in target.rows if row.name in wanted)


def row_recipe(row: Row, source: Source, choice: Choice) -> Recipe:
    """The recipe of a row; RowError where this version has none."""
    if source.recipe not in recipe_names():
        raise RowError(f"this version has no recipe {source.recipe}.")
    recipe = load_recipe(source.recipe)
    try:
        recipe = change_recipe(recipe, replaced_model(recipe, source.model))
        recipe = change_recipe(recipe, replaced_model(recipe, row.model) | row.set)
    except UsageError as error:
        problem = f"this version cannot be set so ({str(error).rstrip('.')})."
        raise RowError(problem) from error
    if choice.quick:
        recipe = change_recipe(recipe, QUICK)
    return with_changes(recipe, own_changes(row, recipe, choice))


def chosen_source(
    name: str, system: Mapping[str, Sources], corpus: PreparedCorpus, choice: Choice
) -> Source:
    """Stored vectors where a recipe has them, unless the text encoder is to be trained too."""
    sources = system.get(corpus.name, system.get(OTHER))
    if sources is None:
        raise RowError(f"there is no recipe for {corpus.name}.")
    if choice.end_to_end and sources.end_to_end is None:
        raise UsageError(f"{name} has no end-to-end recipe; leave --end-to-end out.")
    source = sources.end_to_end if choice.end_to_end else sources.cached or sources.end_to_end
    if source is None:
        raise UsageError(f"{name} has no recipe on stored text vectors; pass --end-to-end.")
    return source


def replaced_model(recipe: Recipe, model: dict[str, Any] | None) -> dict[str, Any]:
    """Another model in a recipe, on the same modalities and with the same encoders."""
    if model is None:
        return {}
    own = recipe.model.model_dump(mode="json")
    fields = model_class(str(model["name"])).config_class.model_fields
    kept = {key: own[key] for key in INPUTS if key in own and key in fields}
    return {"model": kept | model}


def own_changes(row: Row, recipe: Recipe, choice: Choice) -> list[str]:
    """``--set`` for a row: settings that another system's model lacks are not meant for it."""
    if row.model is None and row.system is None:
        return list(choice.changes)
    fields = type(recipe.model).model_fields
    return [
        change
        for change in choice.changes
        if not change.startswith("model.") or change.split("=")[0].split(".")[1] in fields
    ]


def with_changes(recipe: Recipe, changes: list[str]) -> Recipe:
    """The recipe with ``key.key=value`` changes; UsageError where they do not fit."""
    value = recipe.model_dump(mode="json")
    for change in changes:
        apply_change(value, change)
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        raise recipe_error(error, recipe.name) from error


def check_modalities(name: str, recipe: Recipe, corpus: PreparedCorpus) -> None:
    """Refuse a corpus that lacks a modality, before anything is trained."""
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


def folder_name(recipe: Recipe) -> str:
    """Folder of a recipe's runs: the same for rows of different targets that are the same.

    Settings at their default have no part in it, so that a new one does not hide older runs.
    """
    settings = recipe.model_dump(
        mode="json", exclude=NOT_PART_OF_A_SEED | {"training"}, exclude_defaults=True
    )
    training = recipe.training.model_dump(mode="json", exclude={"seeds"}, exclude_defaults=True)
    key = fingerprint([recipe.model.name, settings, training])
    return f"{recipe.name}-{key[:10]}"
