"""The schema of ``targets.yaml``: what a table or figure of a paper consists of."""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmerc.conversation import Modality
from mmerc.errors import UsageError
from mmerc.evaluation.metrics import Metric
from mmerc.training.recipe import first_problem

OTHER_CORPUS = "other"  # any corpus that the paper did not use
FOLDS_PLOT = "decisions"  # the plot of targets that are settled by folds


class _StrictModel(BaseModel):
    """Immutable data; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PaperScores(_StrictModel):
    """What a paper reports for a row, in percent; None if it reports nothing."""

    weighted_f1: float | None = None
    accuracy: float | None = None
    per_class: dict[str, float] = Field(default_factory=dict)


class SystemRecipe(_StrictModel):
    """A recipe by name, optionally with another model put into it (see ``TargetRow``)."""

    recipe: str
    model: dict[str, Any] | None = None


class SystemRecipes(_StrictModel):
    """How a system is trained on a corpus: on stored text vectors, or with its own encoder."""

    cached: SystemRecipe | None = None
    end_to_end: SystemRecipe | None = None

    @model_validator(mode="after")
    def has_a_recipe(self) -> SystemRecipes:
        if self.cached is None and self.end_to_end is None:
            raise ValueError("name a recipe for cached, end_to_end or both")
        return self


class ReferenceCorpus(_StrictModel):
    """The paper's corpus whose numbers a corpus is compared with, and how the two differ."""

    compare: str
    differs: str = ""


class Masking(_StrictModel):
    """A modality withheld at test time: its input set to 0, or the modality declared absent."""

    modality: Modality
    how: Literal["zeroed", "absent"]


class TargetRow(_StrictModel):
    """A row of a table, or a line of a figure.

    ``set`` changes settings of the system's recipe; ``model`` puts another model into the recipe
    and keeps its modalities and encoders. ``published`` rows are the paper's numbers alone.
    ``masked`` rows reuse the trained models of the row without a mask. ``against`` names the row
    that an alternative is compared with.
    """

    name: str
    system: str | None = None
    set: dict[str, Any] = Field(default_factory=dict)
    model: dict[str, Any] | None = None
    paper: dict[str, PaperScores] = Field(default_factory=dict)
    published: bool = False
    masked: Masking | None = None
    against: str | None = None


class TrainingTime(_StrictModel):
    """How long a target's trainings took one after the other, as its report sums them up."""

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


class Target(_StrictModel):
    """One table or figure; ``plot`` names the function that draws it."""

    title: str
    shows: str
    plot: str
    metric: Metric = "weighted_f1"
    baseline: str
    system: str
    rows: tuple[TargetRow, ...] = Field(min_length=1)
    corpora: tuple[str, ...] | None = None
    seeds: int | None = Field(default=None, ge=1)
    axis: str = ""
    measured: tuple[TrainingTime, ...] = ()

    @model_validator(mode="after")
    def row_names_fit(self) -> Target:
        """Every name is unique, and every row that is referred to exists."""
        names = [row.name for row in self.rows]
        if len(set(names)) < len(names):
            raise ValueError("two rows have the same name")
        needed = {self.baseline, *(row.against for row in self.rows if row.against is not None)}
        missing = sorted(needed - set(names))
        if missing:
            raise ValueError(f"no row is called {missing[0]!r}")
        return self

    @property
    def uses_folds(self) -> bool:
        """Whether rows are compared by folds over training conversations, not on test."""
        return self.plot == FOLDS_PLOT


class PaperTargets(_StrictModel):
    """A paper's targets, the recipes of its systems, and the corpora and encoders it used."""

    paper: str
    corpora: dict[str, ReferenceCorpus]
    encoders: dict[str, str]
    systems: dict[str, dict[str, SystemRecipes]]
    targets: dict[str, Target]

    @model_validator(mode="after")
    def systems_exist(self) -> PaperTargets:
        for name, target in self.targets.items():
            for system in {target.system, *(row.system for row in target.rows)} - {None}:
                if system not in self.systems:
                    raise ValueError(f"{name} refers to the system {system!r}, which is missing")
        return self


def parse_targets(text: str, file: str) -> PaperTargets:
    """Check the YAML of a target file; UsageError with the first problem."""
    try:
        return PaperTargets.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {str(error).splitlines()[0]}.") from error
    except ValidationError as error:
        raise UsageError(f"Targets {file}, {first_problem(error)}.") from error
