"""Recipes: one YAML file per experiment, with all its numbers. Unknown keys are rejected."""

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
_MOST_EPOCHS = 5  # up to this multiple of the recipe's epochs; then batches become smaller
# Changing the first setting removes the second, which would override it.
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
    """Training settings; defaults are DF-ERC's (Sec. 4.1 and App. A.2)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    epochs: int = Field(default=10, ge=1)
    batch_utterances: int | None = Field(
        default=None,
        ge=1,
        description=("utterances per batch; approximate for models that read whole conversations"),
    )
    batch_conversations: int | None = Field(
        default=None,
        ge=1,
        description=(
            "takes precedence over batch_utterances for models that read whole conversations: "
            "average number of conversations per batch; batches are balanced by utterances"
        ),
    )
    padding: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description=(
            "largest share of padding in a batch; less padding makes batches less random; 1: fully "
            "random; None: 0.1 for models that read single utterances, 0.3 for conversations of "
            "stored vectors; ignored where a loss compares conversations or padding costs nothing"
        ),
    )
    utterances_per_epoch: int | None = Field(
        default=None,
        ge=1,
        description=(
            "for models that read single utterances: validate after this many utterances, at "
            "most the whole training split; None: the whole split"
        ),
    )
    upsampling: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "for models that read single utterances: repeat rare classes up to this share of the "
            "largest class; 0: no upsampling"
        ),
    )
    prior_correction: bool = Field(
        default=False,
        description=(
            "undo the effect of upsampling and class_balance on predictions: add the log ratios "
            "of the true to the training class frequencies to the logits"
        ),
    )
    logit_adjustment: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description=(
            "subtract this times log p(k) from the logits at prediction (p: a class's share of "
            "the training utterances), so that rare classes are predicted more often"
        ),
    )
    learning_rate: float = Field(default=1e-3, gt=0)
    encoder_learning_rate: float = Field(default=1e-5, gt=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    optimizer: Literal["adamw", "adam"] = Field(
        default="adamw", description="adam: weight decay is added to the gradient"
    )
    adam_betas: tuple[_Decay, _Decay] = (0.9, 0.999)
    weight_decay: float = Field(default=0.01, ge=0)
    warmup_steps: int = Field(default=100, ge=0)
    warmup_share: float | None = Field(
        default=None, ge=0, lt=1, description="replaces warmup_steps: warm-up as a share of steps"
    )
    minimum_steps: int = Field(
        default=0,
        ge=0,
        description=(
            "train more epochs, up to five times as many, to reach this number of steps; if that "
            "is not enough, reduce batch_utterances"
        ),
    )
    schedule: Literal["linear", "constant", "stepwise", "plateau"] = Field(
        default="linear",
        description=(
            "stepwise: multiply by decay_factor every decay_epochs; plateau: when the validation "
            "loss has not fallen for more than decay_epochs"
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
        description="share of training conversations with a misleading voice or face",
    )
    initial_text_encoder: str | None = Field(
        default=None,
        description="model (name or folder) whose text encoder training starts from",
    )
    joined_conversations: int = Field(
        default=1, ge=1, description="join up to this many into one recording during training"
    )
    vector_mixing: dict[Modality, Annotated[float, Field(ge=0, lt=1)]] = Field(
        default_factory=dict, description="share of another utterance's vector mixed into each"
    )
    weight_averaging: float = Field(default=0.0, ge=0, lt=1, description="decay per step; 0: off")
    averaging_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description=(
            "replaces weight_averaging: window of the average as a share of all steps, so a decay "
            "of 1 - 1 / (share x steps); less in the first steps"
        ),
    )
    consistency: float = Field(
        default=0.0, ge=0, description="weight of the R-Drop loss; doubles the cost of training"
    )
    soft_label_weight: float = Field(
        default=0.0,
        ge=0,
        description="weight of the cross-entropy with the corpus's soft labels; 0: not used",
    )
    seeds: int = Field(default=5, ge=1)

    @model_validator(mode="before")
    @classmethod
    def default_batch(cls, value: Any) -> Any:
        """Set both batch sizes to 8 if the recipe gives neither."""
        if not isinstance(value, Mapping):
            return value
        sizes = {name: value.get(name) for name in ("batch_utterances", "batch_conversations")}
        if sizes["batch_utterances"] is None and sizes["batch_conversations"] is None:
            return {**value, **dict.fromkeys(sizes, DEFAULT_BATCH)}
        return value

    def count_batches(self, utterances: Sequence[int]) -> int:
        """Number of batches per epoch; ``utterances`` holds the length of each conversation."""
        if self.batch_conversations is not None:
            return math.ceil(len(utterances) / self.batch_conversations)
        size = self.count_batch_utterances(sum(utterances))
        return max(1, round(sum(utterances) / size))

    def count_batch_utterances(self, utterances: int) -> int:
        """Number of utterances per batch, given those in an epoch."""
        size = self.batch_utterances or DEFAULT_BATCH
        batches = math.ceil(self.minimum_steps / (_MOST_EPOCHS * self.epochs))
        return size if batches == 0 else max(1, min(size, utterances // batches))

    def count_epochs(self, steps_per_epoch: int) -> int:
        """Number of epochs needed for at least ``minimum_steps`` steps."""
        return max(self.epochs, math.ceil(self.minimum_steps / max(1, steps_per_epoch)))

    def count_warmup(self, steps: int) -> int:
        """Number of warm-up steps among all ``steps``."""
        return self.warmup_steps if self.warmup_share is None else round(self.warmup_share * steps)

    @property
    def averages_weights(self) -> bool:
        return self.weight_averaging > 0 or self.averaging_share is not None

    def averaging_decay(self, update: int, steps: int) -> float:
        """Decay of the averaged weights at update number ``update`` (from 0) of ``steps``.

        [decided] With ``averaging_share`` it is at most (1 + n) / (10 + n), so that the average
        forgets the initial weights.
        """
        if self.averaging_share is None:
            return self.weight_averaging
        decay = 1 - 1 / max(1.0, self.averaging_share * steps)
        return min(decay, (1 + update) / (10 + update))


class Choices(BaseModel):
    """One dimension of a search space: a list of values."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    choices: tuple[str | int | float | bool | None, ...] = Field(min_length=2)


class Range(BaseModel):
    """One dimension of a search space: a range; integers if both ends are integers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    low: int | float
    high: int | float
    log: bool = False


SearchSpace = Choices | Range


class Recipe(BaseModel):
    """A complete experiment. Labels and vector widths come from the training corpus."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    model: SerializeAsAny[ModelConfig]
    training: TrainingConfig = TrainingConfig()
    search: dict[str, SearchSpace] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def own_configuration(cls, value: Any) -> Any:
        """Parse ``model`` with the configuration class of the named model."""
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
        """Reject joined conversations for a model that reads single utterances."""
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
    """Return the recipe with new values for dotted keys, such as ``training.epochs``."""
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
    """Return the training settings among dotted keys, such as ``training.epochs``."""
    return {key.removeprefix("training.") for key in keys if key.startswith("training.")}


def recipe_error(
    error: ValidationError, recipe: object, *, inside: tuple[str, ...] = ()
) -> UsageError:
    """Return the error to raise: one sentence on the first problem of a recipe."""
    return UsageError(f"Recipe {recipe}, {first_problem(error, inside=inside)}.")


def first_problem(error: ValidationError, *, inside: tuple[str, ...] = ()) -> str:
    """Return key and message of the first invalid setting."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in (*inside, *first["loc"])) or "settings"
    return f"{place}: {first['msg'].removeprefix('Value error, ').lower()}"
