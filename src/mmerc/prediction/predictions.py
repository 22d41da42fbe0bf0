"""Emotions of every utterance of some conversations, with what decided them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from mmerc.conversation import MODALITIES, Conversation, Modality
from mmerc.data.examples import Example
from mmerc.data.sounds import Sounds
from mmerc.errors import InputError
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel, ConversationModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.models.registry import load_model
from mmerc.prediction.run_model import build_model_examples, run_model


@dataclass(frozen=True, slots=True, kw_only=True)
class UtterancePrediction:
    """One utterance's emotion; ``start`` and ``end`` in seconds, None where unknown.

    ``weights`` say how much each modality counted, for DF-ERC the estimated probability that it
    alone is right (0 to 1 each, no shares of a whole; None where absent or not told);
    ``similarity`` their agreement (psi), ``context_weight`` how much context came in: what the
    model says of itself. ``effects`` and ``context_effect`` are found by leaving it out: what goes
    of the predicted emotion's probability (below 0 where that grows; None where there would be
    nothing left, or the modality is absent). ``layer_weights`` of a model that fuses layer by
    layer: the weight of a modality in each ("audio.1" is the lowest).
    """

    conversation: str
    id: str
    speaker: str
    text: str
    start: float | None
    end: float | None
    label: str
    probabilities: Mapping[str, float]
    weights: Mapping[Modality, float | None]
    similarity: float | None
    context_weight: float | None
    effects: Mapping[Modality, float | None]
    context_effect: float | None
    layer_weights: Mapping[str, float | None] = field(default_factory=dict)


def predict(
    model: AnyModel | str | Path,
    conversations: Conversation | Sequence[Conversation],
    vectors: Mapping[Modality, FeatureTable] | None = None,
    sounds: Sounds | None = None,
    *,
    window_encoder: WindowEncoder = encode_windows,
) -> list[UtterancePrediction]:
    """Predict the emotion of every utterance, in order, from the modalities that are available.

    ``model`` is a loaded model, or a source for ``mmerc.load_model``. ``vectors`` are feature
    tables by modality (``PreparedCorpus.features``), which models with an encoder of their own do
    not need; ``sounds`` are the clips of the utterances, for models that read sound.
    ``window_encoder`` runs the model's text encoder on a batch. Labels are ignored.

    UsageError or InputError if nothing that the model uses is available, or vectors do not fit.
    """
    if not isinstance(model, ConversationModel):
        model = load_model(model)
    if isinstance(conversations, Conversation):
        conversations = [conversations]
    unlabelled = [without_labels(conversation) for conversation in conversations]
    examples = build_model_examples(model, unlabelled, vectors or {}, sounds)
    check_any_input(model, examples)
    answers = run_model(model, examples, effects=True, window_encoder=window_encoder)
    utterances = [(item.id, utterance) for item in conversations for utterance in item.utterances]
    return [
        UtterancePrediction(
            conversation=conversation,
            id=utterance.id,
            speaker=utterance.speaker,
            text=utterance.text,
            start=utterance.start,
            end=utterance.end,
            label=model.labels.names[int(answers.probabilities[row].argmax())],
            probabilities=dict(zip(model.labels, rounded(answers.probabilities[row]), strict=True)),
            weights={m: shown(answers.weights.get(m), row) for m in MODALITIES},
            similarity=shown(answers.similarity, row),
            context_weight=shown(answers.context_weight, row),
            effects={m: shown(answers.effects.get(m), row) for m in MODALITIES},
            context_effect=shown(answers.context_effect, row),
            layer_weights={
                f"{m}.{layer + 1}": shown(weights[:, layer], row)
                for m, weights in answers.layer_weights.items()
                for layer in range(weights.shape[1])
            },
        )
        for row, (conversation, utterance) in enumerate(utterances)
    ]


def check_any_input(model: AnyModel, examples: Sequence[Example]) -> None:
    """Raise InputError if no utterance has any modality that the model uses."""
    modalities = list(model.inputs.output_widths)
    if not modalities or any(bool(e.present[m].any()) for e in examples for m in e.present):
        return
    kind = "" if model.text_encoder is not None else " vectors"
    problem = f"contains none of the {' or '.join(modalities)}{kind} that the model uses"
    raise InputError("input", problem, "provide what the model was trained on")


def without_labels(conversation: Conversation) -> Conversation:
    """The same conversation; what its author thinks of the emotions is not looked at."""
    utterances = tuple(replace(utterance, label=None) for utterance in conversation.utterances)
    return replace(conversation, utterances=utterances)


def rounded(values: Tensor) -> list[float]:
    """Six digits are more than a probability deserves."""
    return [round(float(value), 6) for value in values]


def shown(values: Tensor | None, row: int) -> float | None:
    """One value, or None where there is none."""
    value = math.nan if values is None else float(values[row])
    return None if math.isnan(value) else round(value, 6)
