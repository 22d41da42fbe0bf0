"""Recipes: one YAML file per published experiment, with every number; unknown keys are refused."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from mmerc.conversation import Modality
from mmerc.errors import UsageError
from mmerc.models.base import ModelConfig
from mmerc.models.registry import model_class

DEFAULT_BATCH = 8
_MOST_EPOCHS = 5  # times the recipe's, before batches become smaller
# A change of the first setting removes the second, which would override it.
_OVERRIDES = (
    ("batch_utterances", "batch_conversations"),
    ("batch_conversations", "batch_utterances"),
    ("warmup_steps", "warmup_share"),
    ("warmup_share", "warmup_steps"),
    ("weight_averaging", "averaging_share"),
    ("averaging_share", "weight_averaging"),
    ("epochs", "minimum_steps"),
)
_Decay = Annotated[float, Field(ge=0, lt=1)]


class TrainingConfig(BaseModel):
    """How a model is trained (DF-ERC, Sec. 4.1 and App. A.2, by default)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=10, ge=1)
    batch_utterances: int | None = Field(
        default=None,
        ge=1,
        description=(
            "utterances per batch; models that read whole conversations get as close to it as "
            "whole conversations allow"
        ),
    )
    batch_conversations: int | None = Field(
        default=None,
        ge=1,
        description=(
            "in its place, for models that read whole conversations: as many batches per epoch as "
            "with so many conversations in each; every batch has about equally many utterances"
        ),
    )
    padding: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=(
            "largest share of padding: batches are as random as this allows; 1: random; None: 0.1 "
            "for models that read utterances one by one, 0.3 for conversations of stored vectors; "
            "batches are random anyway where a loss compares conversations or padding costs nothing"
        ),
    )
    utterances_per_epoch: int | None = Field(
        default=None,
        ge=1,
        description=(
            "of models that read utterances one by one: validate after so many, at the latest "
            "after all; None: after all"
        ),
    )
    upsampling: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "of such models: rare classes are repeated to this share of the largest; 0: classes "
            "stay as frequent as they are"
        ),
    )
    prior_correction: bool = Field(
        default=False,
        description=(
            "predict with the classes as frequent as they are, though upsampling or class_balance "
            "showed rare ones more often: log prior ratios are added to the logits"
        ),
    )
    learning_rate: float = Field(default=1e-3, gt=0)
    encoder_learning_rate: float = Field(default=1e-5, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    optimizer: Literal["adamw", "adam"] = Field(
        default="adamw", description="adam: weight decay is part of the gradient"
    )
    adam_betas: tuple[_Decay, _Decay] = (0.9, 0.999)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    warmup_share: float | None = Field(
        default=None, ge=0, lt=1, description="in its place: warm-up as a share of all steps"
    )
    minimum_steps: int = Field(
        default=0,
        ge=0,
        description=(
            "more epochs are trained where they make fewer steps than this; where five times as "
            "many would be too few, batches of batch_utterances are smaller"
        ),
    )
    schedule: Literal["linear", "constant", "stepwise", "plateau"] = Field(
        default="linear",
        description=(
            "stepwise: times decay_factor every decay_epochs; plateau: once the validation loss "
            "has not fallen for more than decay_epochs"
        ),
    )
    decay_factor: float = Field(default=0.95, gt=0, le=1)
    decay_epochs: int = Field(default=10, ge=1)
    gradient_norm: float = Field(default=1.0, gt=0)
    precision: Literal["auto", "32-true", "bf16-mixed"] = "auto"
    patience: int | None = Field(default=None, ge=1)
    modality_dropout: float = Field(default=0.0, ge=0, lt=1)
    disturbance_rate: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of conversations in which the voice or the face misleads, in training",
    )
    initial_text_encoder: str | None = Field(
        default=None,
        description="model, by name or folder, whose text encoder the training starts from",
    )
    joined_conversations: int = Field(
        default=1, ge=1, description="up to so many are joined into one recording, in training"
    )
    vector_mixing: dict[Modality, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default_factory=dict, description="share of another utterance's vector mixed into each"
    )
    weight_averaging: float = Field(default=0.0, ge=0, lt=1, description="decay a step; 0: none")
    averaging_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description=(
            "in its place: share of all steps that the average looks back over, a decay of "
            "1 - 1 / (share x steps), less in the first steps"
        ),
    )
    consistency: float = Field(default=0.0, ge=0, description="weight of R-Drop; doubles the cost")
    seeds: int = Field(default=5, ge=1)

    @model_validator(mode="before")
    @classmethod
    def default_batch(cls, value: Any) -> Any:
        """Fill in the size of a batch: 8, where a recipe does not say it."""
        if not isinstance(value, Mapping):
            return value
        sizes = {name: value.get(name) for name in ("batch_utterances", "batch_conversations")}
        if sizes["batch_utterances"] is None and sizes["batch_conversations"] is None:
            return {**value, **dict.fromkeys(sizes, DEFAULT_BATCH)}
        return value

    def count_batches(self, utterances: Sequence[int]) -> int:
        """Number of batches per epoch for conversations of so many ``utterances``."""
        if self.batch_conversations is not None:
            return math.ceil(len(utterances) / self.batch_conversations)
        size = self.count_batch_utterances(sum(utterances))
        return max(1, round(sum(utterances) / size))

    def count_batch_utterances(self, utterances: int) -> int:
        """Number of utterances per batch, of so many in an epoch."""
        size = self.batch_utterances or DEFAULT_BATCH
        batches = math.ceil(self.minimum_steps / (_MOST_EPOCHS * self.epochs))
        return size if batches == 0 else max(1, min(size, utterances // batches))

    def count_epochs(self, steps_per_epoch: int) -> int:
        """Number of epochs, with at least ``minimum_steps`` steps."""
        return max(self.epochs, math.ceil(self.minimum_steps / max(1, steps_per_epoch)))

    def count_warmup(self, steps: int) -> int:
        """Number of warm-up steps of a training of ``steps``."""
        return self.warmup_steps if self.warmup_share is None else round(self.warmup_share * steps)

    @property
    def averages_weights(self) -> bool:
        return self.weight_averaging > 0 or self.averaging_share is not None

    def averaging_decay(self, update: int, steps: int) -> float:
        """Decay of the averaged weights at the ``update``-th update (from 0) of ``steps``.

        [decided] With ``averaging_share`` it is at most (1 + n) / (10 + n), so the average forgets
        the weights that a training begins with.
        """
        if self.averaging_share is None:
            return self.weight_averaging
        decay = 1 - 1 / max(1.0, self.averaging_share * steps)
        return min(decay, (1 + update) / (10 + update))


class Choices(BaseModel):
    """One dimension of a search space: any of these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[str | int | float | bool | None, ...] = Field(min_length=2)


class Range(BaseModel):
    """One dimension of a search space: between two numbers; whole ones if both are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float
    high: int | float
    log: bool = False


SearchSpace = Choices | Range


class Recipe(BaseModel):
    """A whole experiment; labels and vector widths come from the corpus it is trained on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    model: SerializeAsAny[ModelConfig]
    training: TrainingConfig = TrainingConfig()
    search: dict[str, SearchSpace] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def own_configuration(cls, value: Any) -> Any:
        """Read ``model`` as the configuration class of the model it names."""
        settings = value.get("model") if isinstance(value, dict) else None
        if isinstance(settings, dict):
            chosen = model_class(str(settings.get("name"))).config_class
            try:
                return value | {"model": chosen.model_validate(settings)}
            except ValidationError as error:
                raise recipe_error(error, value.get("name"), inside=("model",)) from error
        return value

    @model_validator(mode="after")
    def joins_conversations_only(self) -> Recipe:
        """Reject joined conversations for a model that reads utterances one by one."""
        joined = self.training.joined_conversations > 1
        if joined and model_class(self.model.name).unit == "utterance":
            raise ValueError(
                f"joined_conversations is for models of conversations, not {self.model.name}"
            )
        return self


def drop_overridden(training: dict[str, Any], keys: Collection[str]) -> None:
    """Remove the settings that would override the changed ``keys``."""
    for changed, overriding in _OVERRIDES:
        if changed in keys and overriding not in keys:
            training.pop(overriding, None)


def change_recipe(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return the recipe with other values at dotted keys, such as ``training.epochs``."""
    value = recipe.model_dump(mode="json")
    for key, setting in settings.items():
        *parents, last = key.split(".")
        section = value
        for parent in parents:
            section = section[parent]
        section[last] = setting
    drop_overridden(value["training"], training_keys(settings))
    return Recipe.model_validate(value)


def training_keys(keys: Iterable[str]) -> set[str]:
    """Return the settings of training among dotted keys, such as ``training.epochs``."""
    return {key.removeprefix("training.") for key in keys if key.startswith("training.")}


def recipe_error(
    error: ValidationError, recipe: object, *, inside: tuple[str, ...] = ()
) -> UsageError:
    """Return the error to raise: one sentence on the first thing that is wrong with a recipe."""
    return UsageError(f"Recipe {recipe}, {first_problem(error, inside=inside)}.")


def first_problem(error: ValidationError, *, inside: tuple[str, ...] = ()) -> str:
    """Return key and message of the first setting that is wrong."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in (*inside, *first["loc"])) or "settings"
    return f"{place}: {first['msg'].removeprefix('Value error, ').lower()}"
