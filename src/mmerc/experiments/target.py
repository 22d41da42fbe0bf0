"""What a table or figure of a paper is made of: data, read from YAML and checked."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmerc.conversation import Modality
from mmerc.errors import UsageError
from mmerc.evaluation.metrics import Metric
from mmerc.training.recipe import first_problem

OTHER = "other"  # any corpus that the paper did not use
Plot = Literal[
    "table", "similarity", "weights", "consistency", "trend", "projection",
    "contribution-error", "heat-maps", "layer-confidence", "dominance", "cases", "decisions",
]  # fmt: skip


class Part(BaseModel):
    """Data that is checked as it is read: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Numbers(Part):
    """What a paper reports of a row, in percent; None where it does not."""

    weighted_f1: float | None = None
    accuracy: float | None = None
    per_class: dict[str, float] = Field(default_factory=dict)


class Source(Part):
    """A recipe by name, and another model put into it (see ``Row``)."""

    recipe: str
    model: dict[str, Any] | None = None


class Sources(Part):
    """How a system is trained on a corpus: on stored text vectors, or with its own encoder."""

    cached: Source | None = None
    end_to_end: Source | None = None

    @model_validator(mode="after")
    def one_at_least(self) -> Sources:
        if self.cached is None and self.end_to_end is None:
            raise ValueError("name a recipe for cached, end_to_end or both")
        return self


class Comparison(Part):
    """Whose numbers stand beside ours on a corpus, and how the corpus differs from the paper's."""

    compare: str
    differs: str = ""


class Masking(Part):
    """A modality that is taken away at test time: its input 0, or declared absent."""

    modality: Modality
    how: Literal["zeroed", "absent"]


class Row(Part):
    """A row of a table, or a line of a figure.

    ``set`` changes settings of the system's recipe, ``model`` puts another model into it (its
    modalities and encoders stay). ``published`` rows are the paper's numbers alone. ``masked`` rows
    are the saved models of the row without a mask. ``against`` is what a decision is compared with.
    """

    name: str
    system: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] | None = None
    paper: dict[str, Numbers] = Field(default_factory=dict)
    published: bool = False
    masked: Masking | None = None
    against: str | None = None


class Time(Part):
    """How long the trainings of a target took, one after the other, as its report sums them up."""

    corpus: str
    seeds: int = Field(ge=1)
    minutes: float = Field(gt=0)
    machine: str
    end_to_end: bool = False

    def __str__(self) -> str:
        mode = ", end to end" * self.end_to_end
        return (
            f"{self.corpus}{mode}, {self.seeds} seed{'s' * (self.seeds > 1)}: "
            f"{self.minutes:.0f} minutes on {self.machine}"
        )


class Target(Part):
    """One table or figure."""

    title: str
    shows: str
    plot: Plot
    metric: Metric = "weighted_f1"
    baseline: str
    system: str
    rows: tuple[Row, ...] = Field(min_length=1)
    corpora: tuple[str, ...] | None = None
    seeds: int | None = Field(default=None, ge=1)
    axis: str = ""
    measured: tuple[Time, ...] = ()

    @model_validator(mode="after")
    def rows_fit(self) -> Target:
        """Names stand once, and what is referred to is there."""
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError("a row stands twice")
        wanted = {self.baseline, *(row.against for row in self.rows if row.against is not None)}
        missing = sorted(wanted - set(names))
        if missing:
            raise ValueError(f"no row is called {missing[0]!r}")
        return self

    def row(self, name: str) -> Row:
        return next(row for row in self.rows if row.name == name)


class Paper(Part):
    """A paper's targets, the recipes behind its systems, and what it was measured on."""

    paper: str
    corpora: dict[str, Comparison]
    encoders: dict[str, str]
    systems: dict[str, dict[str, Sources]]
    targets: dict[str, Target]

    @model_validator(mode="after")
    def systems_are_known(self) -> Paper:
        for name, target in self.targets.items():
            for system in {target.system, *(row.system for row in target.rows)} - {None}:
                if system not in self.systems:
                    raise ValueError(f"{name} refers to the system {system!r}, which is not there")
        return self


def read_paper(text: str, where: str) -> Paper:
    """Check the YAML of a paper's targets; UsageError with the first thing that is wrong."""
    try:
        return Paper.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UsageError(f"{where} is not YAML: {str(error).splitlines()[0]}.") from error
    except ValidationError as error:
        raise UsageError(f"Targets {where}, {first_problem(error)}.") from error


@cache
def papers() -> tuple[Paper, ...]:
    """The papers whose targets come with mmerc."""
    folder = files("mmerc.experiments") / "targets"
    found = sorted(folder.iterdir(), key=lambda file: file.name)
    return tuple(read_paper(file.read_text(encoding="utf-8"), file.name) for file in found)


def targets() -> dict[str, Paper]:
    """Every target's name, and the paper that it belongs to."""
    return {name: paper for paper in papers() for name in paper.targets}


def find_target(name: str) -> tuple[Paper, Target]:
    """Look up a target; UsageError with the known ones where there is none of that name."""
    known = targets()
    if name not in known:
        raise UsageError(f"No target is called {name!r}; known: {', '.join(known)}, all.")
    return known[name], known[name].targets[name]
