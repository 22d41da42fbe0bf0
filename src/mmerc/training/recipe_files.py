"""Find recipes in mmerc, in other packages, and in files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from mmerc.errors import InputError, MmercError, UsageError
from mmerc.files import read_text
from mmerc.parsing import parse_yaml
from mmerc.plugins import Group, find_plugins
from mmerc.training.recipe import Recipe, drop_overridden, recipe_error, training_keys

_PACKAGED_NAME = re.compile(r"(?P<package>[A-Za-z_][A-Za-z0-9_.]*):(?P<name>[A-Za-z0-9._-]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRecipe:
    """A recipe in ``list_recipes``: its description, or why it cannot be read.

    ``package`` is the distribution that provides it.
    """

    description: str
    package: str


def load_recipe(name: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe and apply changes of the form ``key.key=value``.

    ``name`` is a recipe of mmerc (``df-erc-meld``), a YAML file, or ``PACKAGE:NAME`` for
    ``recipes/NAME.yaml`` inside an installed package. Changing a setting removes one that would
    override it (``training.warmup_steps`` removes ``warmup_share``). UsageError for an invalid
    recipe; InputError for an unreadable file.
    """
    name = str(name)
    value = _yaml_mapping(_recipe_text(name), name)
    apply_changes(value, changes)
    try:
        return Recipe.model_validate(value)
    except ValidationError as error:
        raise recipe_error(error, name) from error


def apply_changes(value: dict[str, Any], changes: Sequence[str]) -> None:
    """Apply ``key.key=value`` changes to a recipe's values; UsageError if invalid."""
    for change in changes:
        apply_change(value, change)
    if isinstance(value.get("training"), dict):
        keys = (change.partition("=")[0].strip() for change in changes)
        drop_overridden(value["training"], training_keys(keys))


def recipe_names() -> list[str]:
    """Return the names of mmerc's recipes."""
    return [path.stem for path in _recipe_paths("mmerc")]


def list_recipes() -> dict[str, ListedRecipe]:
    """Describe the recipes of mmerc and of all installed packages with plug-ins, by name.

    Recipes of other packages are named ``PACKAGE:NAME``.
    """
    listed = {path.stem: _describe(path, "mmerc") for path in _recipe_paths("mmerc")}
    for package, distribution in sorted(_plugin_packages().items()):
        for path in _recipe_paths(package):
            listed[f"{package}:{path.stem}"] = _describe(path, distribution)
    return listed


def _plugin_packages() -> Mapping[str, str]:
    """Map top-level packages with an mmerc entry point to their distributions."""
    return {
        plugin.entry_point.module.partition(".")[0]: plugin.package
        for group in get_args(Group)
        for plugin in find_plugins(group).values()
    }


def _recipe_paths(package: str) -> list[Path]:
    """Return the recipe files of an installed package without importing it."""
    return sorted(path for folder in _recipe_folders(package) for path in folder.glob("*.yaml"))


def _recipe_folders(package: str) -> Iterator[Path]:
    """Yield the folders ``recipes`` of a package; none if it is not installed."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):
        return
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        yield Path(folder) / "recipes"


def _describe(path: Path, distribution: str) -> ListedRecipe:
    """Describe one recipe without importing its model."""
    try:
        description = str(_yaml_mapping(read_text(path), str(path)).get("description", ""))
    except MmercError as error:
        description = str(error)
    return ListedRecipe(description=" ".join(description.split()), package=distribution)


def _recipe_text(name: str) -> str:
    """Return the text of a recipe by name, package or path."""
    if name in recipe_names():
        return read_text(next(p for p in _recipe_paths("mmerc") if p.stem == name))
    path = Path(name)
    if path.is_file() or path.suffix in {".yaml", ".yml"}:
        return read_text(path)
    packaged = _PACKAGED_NAME.fullmatch(name)
    if packaged is not None:
        return _packaged_text(packaged["package"], packaged["name"])
    names = ", ".join(recipe_names())
    raise UsageError(
        f"No recipe is called {name!r}; name a YAML file, PACKAGE:NAME for a recipe of an "
        f"installed package, or one of: {names}."
    )


def _packaged_text(package: str, name: str) -> str:
    """Return the text of ``recipes/NAME.yaml`` inside an installed package."""
    folders = list(_recipe_folders(package))
    if not folders:
        raise UsageError(f"Recipe {package}:{name}: no package {package} is installed.")
    for folder in folders:
        if (folder / f"{name}.yaml").is_file():
            return read_text(folder / f"{name}.yaml")
    names = ", ".join(path.stem for path in _recipe_paths(package)) or "no recipe"
    problem = f"the package has no recipe {name!r}"
    raise InputError(f"{package}:{name}", problem, f"choose from what it has: {names}")


def _yaml_mapping(text: str, where: str) -> dict[str, Any]:
    """Read a YAML mapping (data only)."""
    try:
        value = parse_yaml(text)
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not YAML: {str(error).splitlines()[0]}.") from error
    if not isinstance(value, dict):
        raise UsageError(
            f"{where} is not a recipe: expected a mapping with name, description, model, training."
        )
    return value


def apply_change(value: dict[str, Any], change: str) -> None:
    """Set ``key.key=value`` in a recipe's mapping; the value is read as YAML."""
    path, equals, text = change.partition("=")
    if not equals or not path:
        raise UsageError(f"--set {change!r} is not of the form key.key=value.")
    *parents, last = path.strip().split(".")
    for parent in parents:
        if value.get(parent) is None:
            value[parent] = {}
        value = value[parent]
        if not isinstance(value, dict):
            raise UsageError(f"--set {change!r}: {parent!r} is a value, not a section.")
    try:
        value[last] = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {change!r}: the value is not YAML.") from error
