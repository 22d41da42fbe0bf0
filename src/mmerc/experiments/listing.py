"""What there is to reproduce, and what each target needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mmerc.conversation import MODALITIES
from mmerc.experiments.target import OTHER, Paper, Target, Time, targets
from mmerc.training.recipe import Recipe
from mmerc.training.recipe_files import load_recipe, recipe_names

STORED = "stored vectors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A target as ``--list`` shows it; ``measured``: how long it took where, if that is known.

    ``rows`` are those that are trained or asked here; ``encoders`` by corpus, ``STORED`` where a
    row needs none; ``missing`` are recipes that this version lacks.
    """

    name: str
    title: str
    rows: int
    modalities: tuple[str, ...]
    encoders: Mapping[str, tuple[str, ...]]
    missing: tuple[str, ...]
    measured: tuple[Time, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"measured": [time.model_dump() for time in self.measured]}

    @property
    def lines(self) -> list[str]:
        """What it shows, what it needs on which corpora, and how long it took."""
        corpora: dict[tuple[str, ...], list[str]] = {}
        for corpus, names in self.encoders.items():
            corpora.setdefault(names, []).append("any other" if corpus == OTHER else corpus)
        count = f"{self.rows} row{'s' * (self.rows > 1)}"
        said = [self.title, f"{count} of {', '.join(self.modalities)}"]
        said += [f"{', '.join(places)}: {', '.join(names)}" for names, places in corpora.items()]
        if self.missing:
            said.append(f"this version has no recipe {', '.join(self.missing)}")
        return [*said, *map(str, self.measured)]


def listed() -> list[Listed]:
    """All targets."""
    return [describe(name, paper, paper.targets[name]) for name, paper in targets().items()]


def describe(name: str, paper: Paper, target: Target) -> Listed:
    """One target: the recipes behind its rows say what it needs."""
    known = {c: source_names(c, paper, target) for c in target.corpora or paper.corpora}
    wanted = set().union(*known.values())
    recipes = {name: load_recipe(name) for name in wanted & set(recipe_names())}
    return Listed(
        name=name,
        title=target.title,
        rows=sum(not row.published for row in target.rows),
        modalities=tuple(
            m for m in MODALITIES if any(m in r.model.modalities for r in recipes.values())
        ),
        encoders={
            corpus: encoders(recipes[name] for name in names if name in recipes)
            for corpus, names in known.items()
        },
        missing=tuple(sorted(wanted - set(recipes))),
        measured=target.measured,
    )


def source_names(corpus: str, paper: Paper, target: Target) -> set[str]:
    """Names of the recipes behind a target's rows on a corpus."""
    systems = {row.system or target.system for row in target.rows if not row.published}
    places = [paper.systems[system].get(corpus) for system in systems]
    sources = [s for place in places if place is not None for s in (place.cached, place.end_to_end)]
    return {source.recipe for source in sources if source is not None}


def encoders(recipes: Iterable[Recipe]) -> tuple[str, ...]:
    """Encoders that recipes train, after ``STORED`` where one of them trains none."""
    found = [
        {e.name for e in (r.model.text_encoder, r.model.speech) if e is not None} for r in recipes
    ]
    stored = (STORED,) if set() in found else ()
    return (*stored, *sorted(set().union(*found)))
