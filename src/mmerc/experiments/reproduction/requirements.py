"""Requirements of each target: rows, modalities, encoders by corpus, and time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mmerc.conversation import MODALITIES
from mmerc.errors import MmercError
from mmerc.experiments.reproduction.catalogue import target_files
from mmerc.experiments.reproduction.targets import (
    OTHER_CORPUS,
    PaperTargets,
    Target,
    TrainingTime,
)
from mmerc.training.recipe import Recipe
from mmerc.training.recipe_files import load_recipe

_STORED = "stored vectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRequirements:
    """The requirements of a target, for ``--list``.

    ``rows``: number of rows trained or evaluated. ``encoders``: by corpus; ``_STORED`` if a row
    trains none. ``missing``: recipes that this version lacks. ``measured``: known times.
    """

    name: str
    title: str
    rows: int
    modalities: tuple[str, ...]
    encoders: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    measured: tuple[TrainingTime, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"measured": [time.model_dump() for time in self.measured]}

    @property
    def lines(self) -> list[str]:
        """Lines with title, size, encoders by corpus, and time."""
        corpora: dict[tuple[str, ...], list[str]] = {}
        for corpus, names in self.encoders.items():
            label = "any other" if corpus == OTHER_CORPUS else corpus
            corpora.setdefault(names, []).append(label)
        count = f"{self.rows} row{'s' * (self.rows > 1)}"
        lines = [self.title, f"{count} of {', '.join(self.modalities)}"]
        lines += [f"{', '.join(where)}: {', '.join(names)}" for names, where in corpora.items()]
        if self.missing:
            lines.append(f"this version has no recipe {', '.join(self.missing)}")
        return [*lines, *map(str, self.measured)]


def list_requirements(path: Path | None = None) -> list[TargetRequirements]:
    """Describe all targets, or those of the file at ``path``."""
    return [
        _describe_target(name, file.paper, file.paper.targets[name])
        for name, file in target_files(path).items()
    ]


def _describe_target(name: str, paper: PaperTargets, target: Target) -> TargetRequirements:
    """Derive a target's requirements from its rows' recipes."""
    by_corpus = {c: _recipe_names(c, paper, target) for c in target.corpora or paper.corpora}
    needed = set().union(*by_corpus.values())
    recipes = {name: recipe for name in needed if (recipe := _recipe(name)) is not None}
    return TargetRequirements(
        name=name,
        title=target.title,
        rows=sum(not row.published for row in target.rows),
        modalities=tuple(
            m for m in MODALITIES if any(m in r.model.modalities for r in recipes.values())
        ),
        encoders={
            corpus: _encoders(recipes[name] for name in names if name in recipes)
            for corpus, names in by_corpus.items()
        },
        missing=tuple(sorted(needed - set(recipes))),
        measured=target.measured,
    )


def _recipe(name: str) -> Recipe | None:
    try:
        return load_recipe(name)
    except MmercError:
        return None


def _recipe_names(corpus: str, paper: PaperTargets, target: Target) -> set[str]:
    systems = {row.system or target.system for row in target.rows if not row.published}
    by_system = [paper.systems[system].get(corpus) for system in systems]
    recipes = [r for s in by_system if s is not None for r in (s.cached, s.end_to_end)]
    return {recipe.recipe for recipe in recipes if recipe is not None}


def _encoders(recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """Return the encoders trained by recipes; first ``_STORED`` if a recipe trains none."""
    trained = [
        {e.name for e in (r.model.text_encoder, r.model.speech) if e is not None} for r in recipes
    ]
    stored = (_STORED,) if set() in trained else ()
    return (*stored, *sorted(set().union(*trained)))
