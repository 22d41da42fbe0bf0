"""What there is to reproduce, and what each target needs."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from mmerc.experiments.target import OTHER, Paper, Row, Target, targets
from mmerc.training.recipe import load_recipe, recipe_names


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A target as ``--list`` shows it; ``measured``: how long it took where, if that is known."""

    name: str
    title: str
    corpora: tuple[str, ...]
    rows: int
    modalities: tuple[str, ...]
    encoders: tuple[str, ...]
    missing: tuple[str, ...]
    measured: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def listed() -> list[Listed]:
    """All targets."""
    return [describe(name, paper, paper.targets[name]) for name, paper in targets().items()]


def describe(name: str, paper: Paper, target: Target) -> Listed:
    """One target: its own system's recipes say what it needs."""
    trained = [row for row in target.rows if not row.published]
    wanted = {source for row in trained for source in sources(row, paper, target)}
    there = sorted(wanted & set(recipe_names()))
    recipes = [load_recipe(recipe) for recipe in there]
    models = [recipe.model for recipe in recipes]
    encoders = {e.name for m in models for e in (m.text_encoder, m.speech) if e is not None}
    return Listed(
        name=name,
        title=target.title,
        corpora=tuple(c for c in target.corpora or paper.corpora if c != OTHER),
        rows=len(trained),
        modalities=tuple(dict.fromkeys(m for r in recipes for m in r.model.modalities)),
        encoders=tuple(sorted(encoders)),
        missing=tuple(sorted(wanted - set(there))),
        measured=target.measured,
    )


def sources(row: Row, paper: Paper, target: Target) -> set[str]:
    """Names of the recipes behind a row, on any corpus that its target is made on."""
    known = paper.systems[row.system or target.system]
    places = [known[c] for c in target.corpora or known if c in known]
    return {s.recipe for place in places for s in (place.cached, place.end_to_end) if s is not None}
