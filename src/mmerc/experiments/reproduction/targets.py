"""The schema of ``targets.yaml``, which defines tables and figures of a paper."""

from __future__ import annotations

from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from mmerc.conversation import Modality
from mmerc.errors import UsageError
from mmerc.evaluation.metrics import Metric
from mmerc.parsing import parse_yaml
from mmerc.training.recipe import first_problem

OTHER_CORPUS = "other"  # any corpus that the paper did not use
FOLDS_PLOT = "decisions"  # the plot of targets decided by cross-validation


class _StrictModel(BaseModel):
    """Immutable data; unknown keys are rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PaperScores(_StrictModel):
    """A paper's scores for a row, in percent; None if not reported."""

    weighted_f1: float | None = None
    accuracy: float | None = None
    per_class: dict[str, float] = Field(default_factory=dict)


class SystemRecipe(_StrictModel):
    """A recipe by name, optionally with another model (see ``TargetRow``)."""

    recipe: str
    model: dict[str, Any] | None = None


class SystemRecipes(_StrictModel):
    """Recipes of a system on a corpus: with stored text vectors, or with its own encoder."""

    cached: SystemRecipe | None = None
    end_to_end: SystemRecipe | None = None

    @model_validator(mode="after")
    def has_a_recipe(self) -> SystemRecipes:
        if self.cached is None and self.end_to_end is None:
            raise ValueError("name a recipe for cached, end_to_end or both")
        return self


class ReferenceCorpus(_StrictModel):
    """The paper's corpus to compare a corpus with, and their differences."""

    compare: str
    differs: str = ""


class Masking(_StrictModel):
    """A modality withheld at test time: zeroed input, or marked as absent."""

    modality: Modality
    how: Literal["zeroed", "absent"]


class TargetRow(_StrictModel):
    """A row of a table, or a line of a figure.

    ``set`` changes settings of the system's recipe; ``model`` replaces the recipe's model and keeps
    modalities and encoders. ``published`` rows only have the paper's numbers. ``masked`` rows reuse
    the trained models of the unmasked row. ``against`` names the row to compare an alternative
    with.
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
    """Total training time of a target, as in its report."""

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
    """A table or figure; ``plot`` names its plot function."""

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
        """Check that names are unique and referenced rows exist."""
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
        return PaperTargets.model_validate(parse_yaml(text))
    except yaml.YAMLError as error:
        raise UsageError(f"{file} is not YAML: {str(error).splitlines()[0]}.") from error
    except ValidationError as error:
        raise UsageError(f"Targets {file}, {first_problem(error)}.") from error
