"""Base class of models: configuration, inputs, output, saving and loading."""

from __future__ import annotations

import copy
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from safetensors.torch import save_file
from torch import Tensor, nn

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch, ModalityWeights
from mmerc.data.batches import AnyTokenizer
from mmerc.errors import InputError
from mmerc.files import (
    atomic_directory,
    atomic_file,
    file_fingerprint,
    write_json,
    write_text,
)
from mmerc.labels import LabelSet
from mmerc.models.adaptation import LogitAdaptation
from mmerc.models.inputs import ModalityInputs
from mmerc.models.model_folder import download_model
from mmerc.models.saved_model import (
    compact_state,
    load_saved_encoder,
    load_saved_speech_encoder,
    load_weights,
    read_model_config,
    untrained_state,
    upload_model,
)
from mmerc.models.set_scores import SetScores
from mmerc.models.temperatures import find_temperatures
from mmerc.models.training_data import TrainedOn, TrainingStatistics
from mmerc.nn.classification import class_balanced_weights, classification_loss
from mmerc.nn.encoder_check import check_encoder
from mmerc.nn.levelling import LevellingConfig
from mmerc.nn.reduction import Reduction
from mmerc.nn.speech_encoder import SpeechEncoder, SpeechEncoderConfig
from mmerc.nn.text_encoder import TextEncoder, TextEncoderConfig


class ModelConfig(BaseModel):
    """Settings common to all models; each model adds its own.

    ``name`` is the model's name in the registry. ``reduction`` applies to every loss;
    ``label_smoothing``, ``focus`` and ``class_balance`` are terms of the cross-entropy
    (``mmerc.nn.classification``); 0: off. ``levelling`` standardises audio and video vectors by
    recording and speaker (``mmerc.nn.levelling``); None: off. Unknown settings are rejected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    modalities: tuple[Modality, ...] = MODALITIES
    text_encoder: TextEncoderConfig | None = None
    levelling: LevellingConfig | None = None
    reduction: Reduction = "mean"
    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    focus: float = Field(default=0.0, ge=0)
    class_balance: float = Field(default=0.0, ge=0, lt=1)

    @field_validator("modalities")
    @classmethod
    def each_once_in_order(cls, modalities: tuple[Modality, ...]) -> tuple[Modality, ...]:
        """Sort the modalities: text, audio, video."""
        if not modalities or len(set(modalities)) < len(modalities):
            raise ValueError("name one or more modalities, each once")
        return tuple(modality for modality in MODALITIES if modality in modalities)

    @property
    def trains_text_encoder(self) -> bool:
        return "text" in self.modalities and self.text_encoder is not None

    @property
    def speech(self) -> SpeechEncoderConfig | None:
        """The speech encoder that the model trains; None if it takes audio vectors."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """How a model arrived at a prediction.

    Shape: ``weights[m]`` (how much the modality counted in the fusion), ``similarity`` (psi) and
    ``context_weight`` [B, N], None if the model has no such value; ``layer_weights[m]`` [B, N, F],
    the weights in each of F fusion layers, lowest first; ``attention`` [B, N, N], from each
    utterance (second axis) to the others (last axis).
    """

    weights: Mapping[Modality, Tensor] = field(default_factory=dict)
    layer_weights: Mapping[Modality, Tensor] = field(default_factory=dict)
    similarity: Tensor | None = None
    context_weight: Tensor | None = None
    attention: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOutput:
    """A model's output for a batch.

    ``losses`` are the unweighted terms by name; training minimises ``loss``.

    Shape: logits [B, N, K]; every loss a scalar.
    """

    logits: Tensor
    losses: Mapping[str, Tensor]
    loss: Tensor
    explanation: Explanation = field(default_factory=Explanation)


_Config = TypeVar("_Config", bound=ModelConfig)


class ConversationModel(nn.Module, ABC, Generic[_Config]):
    """A model that predicts the emotion of every utterance in a batch of conversations.

    A subclass sets ``name`` and ``config_class``, creates its parts in ``build`` (``config``,
    ``labels`` and ``inputs`` are already set) and implements ``forward``. ``unit`` is what a batch
    consists of: conversations, or single utterances. ``labels`` are the predicted labels;
    ``trained_labels`` differ if the model was adapted to other labels.
    """

    name: ClassVar[str]
    config_class: type[_Config]
    kind: ClassVar[Literal["system", "baseline"]] = "system"
    unit: ClassVar[Literal["conversation", "utterance"]] = "conversation"

    def __init__(
        self,
        config: _Config,
        *,
        labels: LabelSet,
        widths: Mapping[Modality, int],
        text_encoder: TextEncoder | None = None,
        speech_encoder: SpeechEncoder | None = None,
    ) -> None:
        """Create the model; ``widths`` holds the vector widths of the modalities."""
        super().__init__()
        self.config = config
        self.labels = self.trained_labels = labels
        self.temperature = 1.0
        self.temperatures: Mapping[str, float] = {}
        self.set_scores: SetScores | None = None
        self.logit_offsets: tuple[float, ...] | None = None
        self.adaptation: LogitAdaptation | None = None
        self.inputs = ModalityInputs(
            {m: widths[m] for m in config.modalities if m in widths},
            text_encoder,
            speech_encoder,
            config.levelling,
        )
        self.register_buffer("class_weights", torch.ones(len(labels)))
        self.build()

    class_weights: Tensor

    @abstractmethod
    def build(self) -> None:
        """Create the model's parts."""

    @abstractmethod
    def forward(self, batch: ConversationBatch) -> ModelOutput:
        """Predict a batch, and compute its losses."""

    @property
    def text_encoder(self) -> TextEncoder | None:
        return self.inputs.text_encoder

    @property
    def speech_encoder(self) -> SpeechEncoder | None:
        return self.inputs.speech_encoder

    @property
    def tokenizer(self) -> AnyTokenizer | None:
        return None if self.text_encoder is None else self.text_encoder.tokenizer

    def with_levelling(self, levelling: LevellingConfig | None) -> Self:
        """Return a copy with shared weights and other levelling."""
        model, inputs = copy.copy(self), copy.copy(self.inputs)
        inputs.levelling = levelling
        model._modules = {**self._modules, "inputs": inputs}
        return model

    def level_conversations(self, batch: ConversationBatch) -> tuple[Self, ConversationBatch]:
        """Level the vectors of whole conversations.

        Returns a model with shared weights that does not level again, and the levelled batch.
        Single utterances taken from this batch stay normalised by their speaker.
        """
        if self.inputs.levelling is None:
            return self.with_levelling(None), batch
        given = [m for m in self.inputs.widths if batch.present[m].any()]
        levelled = {m: self.inputs.restore_scale(self.inputs.level(batch, m), m) for m in given}
        batch = batch.with_features({**batch.features, **levelled})
        return self.with_levelling(None), batch

    def weigh_modalities(self, batch: ConversationBatch) -> ModalityWeights:
        """Weigh the predictions from different sets of modalities; only all together count here.

        A prediction is the weighted mean of the predictions from each set
        (``mmerc.prediction.averaging``). Shape: -> {set: [B, N]}.
        """
        return {tuple(self.inputs.output_widths): torch.ones_like(batch.mask, dtype=torch.float)}

    def fit(self, statistics: TrainingStatistics) -> None:
        """Store the statistics of the training split, before training starts."""
        self.inputs.fit(statistics.features)
        if self.config.class_balance > 0:
            self.class_weights = class_balanced_weights(
                statistics.label_counts, beta=self.config.class_balance
            )

    def calibrate(self, logits: Tensor, used: Mapping[Modality, Tensor] | None = None) -> Tensor:
        """Return the logits for prediction: with offsets, temperature-scaled, adapted.

        ``used`` as in ``scale``. Shape: logits [..., K] -> [..., K] float32.
        """
        return self.adapt(self.scale(logits, used))

    def scale(self, logits: Tensor, used: Mapping[Modality, Tensor] | None = None) -> Tensor:
        """Add the offsets to logits, and divide by the temperature.

        ``logit_offsets``: one value per class (``mmerc.training.prior``). ``temperatures`` has one
        value per set of modalities (``modality_key``); ``temperature`` applies to all other sets,
        and to all utterances if ``used`` is not given.

        Shape: logits [..., K], each of used [...] bool -> [..., K] float32.
        """
        logits = logits.float()
        if self.logit_offsets is not None:
            logits = logits + logits.new_tensor(self.logit_offsets)
        named = {m: used[m] for m in self.inputs.output_widths if used and m in used}
        return logits / find_temperatures(self.temperatures, named, self.temperature)

    def adapt(self, logits: Tensor) -> Tensor:
        """Apply the adaptation to a user's labels, if any. Shape: [..., K] -> [..., K]."""
        return logits if self.adaptation is None else self.adaptation.apply(logits)

    def find_used(self, batch: ConversationBatch) -> Mapping[Modality, Tensor]:
        """Mark the modalities that the model uses. Shape: -> {m: [B, N] bool}."""
        return {m: batch.present[m] & batch.mask for m in self.inputs.output_widths}

    @property
    def compares_conversations(self) -> bool:
        """Whether a loss compares all utterances of a batch; batches must then be random."""
        return False

    def start_epoch(self) -> None:
        """Reset what a model accumulates over an epoch; called before each epoch."""

    def repeat(self, batch: ConversationBatch) -> ModelOutput:
        """Predict a batch again in the same training step, without accumulating anything."""
        output: ModelOutput = self(batch)
        return output

    def emotion_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy with the configured terms; labels of -100 are ignored.

        Shape: logits [..., K], labels [...] int -> scalar.
        """
        return classification_loss(
            logits,
            labels,
            reduction=self.config.reduction,
            label_smoothing=self.config.label_smoothing,
            focus=self.config.focus,
            class_weights=self.class_weights if self.config.class_balance > 0 else None,
        )

    def save_pretrained(
        self,
        directory: str | Path,
        *,
        card: str = "",
        trained_on: TrainedOn | None = None,
        compact: bool = False,
    ) -> None:
        """Write config.json, model.safetensors, the tokenizer and the model card to a folder.

        ``card`` is the text of the model card, ``trained_on`` the conversations whose labels the
        model has seen. ``compact`` stores weights in float16 and omits untrained encoder weights
        and the tokenizer, which are then loaded from the encoder named in the configuration.
        """
        with atomic_directory(Path(directory), overwrite=True) as folder:
            state = compact_state(self) if compact else self.state_dict()
            state = {name: tensor.contiguous() for name, tensor in state.items()}
            with atomic_file(folder / "model.safetensors") as temporary:
                save_file(state, temporary)
            config = {
                "model": self.config.model_dump(mode="json"),
                "labels": self.trained_labels.to_json(),
                "widths": dict(self.inputs.widths),
                "temperature": self.temperature,
            }
            if self.temperatures:
                config["temperatures"] = dict(self.temperatures)
            if self.set_scores is not None:
                self.set_scores.write(folder)
            if self.logit_offsets is not None:
                config["logit_offsets"] = list(self.logit_offsets)
            if self.adaptation is not None:
                config["adaptation"] = self.adaptation.to_json()
            if compact:
                config["compact"] = True
                config["weights_sha256"] = file_fingerprint(folder / "model.safetensors")
            write_json(folder / "config.json", config)
            if trained_on is not None:
                write_json(folder / "training_data.json", trained_on.to_json())
            if self.text_encoder is not None and not compact:
                self.text_encoder.save(folder / "text_encoder")
            if self.speech_encoder is not None and not compact:
                self.speech_encoder.save(folder / "speech_encoder")
            write_text(folder / "README.md", card or f"# {self.name}\n\nA model of mmerc.\n")

    @classmethod
    def from_pretrained(cls, source: str | Path) -> Self:
        """Load a folder written by ``save_pretrained``, or a Hub repository with the same files.

        Returns the model in evaluation mode. MmercError if there is no such model; InputError if
        its files are damaged, incomplete or from another model.
        """
        folder = Path(source)
        if not folder.is_dir():
            folder = download_model(str(source))
        value = read_model_config(folder)
        config, compact = cls.saved_config(folder, value["model"]), bool(value.get("compact"))
        text, speech = config.text_encoder if config.trains_text_encoder else None, config.speech
        model = cls(
            config,
            labels=LabelSet.from_json(value["labels"]),
            widths=value["widths"],
            text_encoder=None
            if text is None
            else load_saved_encoder(folder, text, compact=compact),
            speech_encoder=(
                None
                if speech is None
                else load_saved_speech_encoder(folder, speech, compact=compact)
            ),
        )
        model.temperature = float(value.get("temperature", 1.0))
        model.temperatures = {k: float(t) for k, t in value.get("temperatures", {}).items()}
        offsets = value.get("logit_offsets", value.get("log_prior_ratio"))  # the former name
        model.logit_offsets = None if offsets is None else tuple(map(float, offsets))
        model.adaptation = LogitAdaptation.read(folder, value, count=len(model.labels))
        if model.adaptation is not None and model.adaptation.labels is not None:
            model.labels = model.adaptation.labels
        model.set_scores = SetScores.read(folder, labels=len(model.labels))
        load_weights(
            model,
            folder / "model.safetensors",
            untrained=untrained_state(model) if compact else (),
            sha256=value.get("weights_sha256"),
        )
        if model.text_encoder is not None:
            check_encoder(model.text_encoder, folder)
        return model.eval()

    @classmethod
    def saved_config(cls, folder: Path, value: Mapping[str, Any]) -> _Config:
        """Validate a saved configuration; InputError if another model or version wrote it."""
        if value["name"] != cls.name:
            problem = f"contains the model {value['name']!r}, not {cls.name!r}"
            raise InputError(folder, problem, "load it with mmerc.models.registry.load_model")
        try:
            return cls.config_class.model_validate(value)
        except ValidationError as error:
            problem = f"settings that this version does not support ({error.errors()[0]['loc']})"
            raise InputError(
                folder / "config.json", problem, "update mmerc, or train the model again"
            ) from error

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool = True,
        card: str = "",
        trained_on: TrainedOn | None = None,
        compact: bool = False,
    ) -> None:
        """Upload the files of ``save_pretrained`` to a Hugging Face Hub repository.

        MmercError if the Hub cannot be reached or the repository is not writable.
        """
        with tempfile.TemporaryDirectory() as temporary:
            folder = Path(temporary) / "model"
            self.save_pretrained(folder, card=card, trained_on=trained_on, compact=compact)
            upload_model(folder, repository, private=private)


AnyModel = ConversationModel[Any]
