"""``mmerc list``: list the installed models, extractors, corpora, targets and recipes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Literal, get_args

import typer

from mmerc.cli.output import JsonOption, print_json, print_table

_Kind = Literal["models", "extractors", "corpora", "targets", "recipes"]
EXAMPLES = ("mmerc list models", "mmerc list corpora --json")


def list_installed(
    kind: Annotated[_Kind, typer.Argument(help=f"One of {', '.join(get_args(_Kind))}.")],
    as_json: JsonOption = False,
) -> None:
    """List what is installed, plug-ins included."""
    entries = _FINDERS[kind]()
    if as_json:
        keys = ("summary", "package")
        print_json({name: dict(zip(keys, entry, strict=True)) for name, entry in entries.items()})
        return
    rows = [[name, summary, package] for name, (summary, package) in entries.items()]
    print_table(["name", "what it is", "from"], rows)


def _find_models() -> Mapping[str, tuple[str, str]]:
    """Return every model: name -> summary and package."""
    from mmerc.models.registry import list_models

    return list_models()


def _find_extractors() -> Mapping[str, tuple[str, str]]:
    """Return every extractor: name -> summary and package."""
    from mmerc.features.registry import list_extractors

    return list_extractors()


def _find_corpora() -> Mapping[str, tuple[str, str]]:
    """Return every corpus reader: name -> summary and package."""
    from mmerc.corpora.registry import list_corpora

    return list_corpora()


def _find_targets() -> Mapping[str, tuple[str, str]]:
    """Return every target: name -> title and package."""
    from mmerc.experiments.reproduction.catalogue import list_targets

    return list_targets()


def _find_recipes() -> Mapping[str, tuple[str, str]]:
    """Return every recipe: name -> first sentence of the description, and package."""
    from mmerc.training.recipe_files import list_recipes

    return {
        name: (recipe.description.partition(". ")[0], recipe.package)
        for name, recipe in list_recipes().items()
    }


_FINDERS: Mapping[_Kind, Callable[[], Mapping[str, tuple[str, str]]]] = {
    "models": _find_models,
    "extractors": _find_extractors,
    "corpora": _find_corpora,
    "targets": _find_targets,
    "recipes": _find_recipes,
}
