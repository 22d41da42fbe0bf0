"""The emotion of every utterance of conversations, with what decided it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from torch import Tensor

from mmerc.conversation import MODALITIES, Conversation, Modality, Utterance
from mmerc.data.examples import Example
from mmerc.data.sounds import Sounds
from mmerc.errors import InputError
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel, ConversationModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.models.registry import load_model
from mmerc.prediction.prediction_sets import build_sets, check_set_request
from mmerc.prediction.run_model import PredictionTensors, build_model_examples, run_model
from mmerc.prediction.set_request import SetRequest

_Names = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UtterancePrediction:
    """The predicted emotion of one utterance; ``start`` and ``end`` in seconds, None if unknown.

    ``probabilities`` maps every label of the model to its probability (0 to 1, summing to 1).

    What the model says of itself: ``weights``, how much each modality counted (for DF-ERC the
    estimated probability that the modality alone is right, 0 to 1 each, not summing to 1);
    ``similarity``, the agreement of the modalities (psi, -1 to 1); ``context_weight``, how much
    context was used; ``layer_weights``, for models that fuse layer by layer, the weight of a
    modality in each layer ("audio.1" is the lowest). None where absent or not provided.

    What leaving it out shows, for any model: ``effects`` of each modality and ``context_effect``
    are the loss of the predicted emotion's probability (-1 to 1; below 0 if the probability grows).
    None if the modality is absent or nothing would remain. ``left_out``: whether the model ignored
    a modality that is present, because it contradicts the others throughout.

    ``emotions``, if prediction sets were requested: the set that contains the utterance's label
    with the chosen probability, the most probable label first; ``unsure``: the set is too large, or
    no modality is available (``mmerc.prediction.prediction_sets``). None otherwise.
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
    left_out: Mapping[Modality, bool] = field(default_factory=dict)
    emotions: tuple[str, ...] | None = None
    unsure: bool | None = None


def predict(
    model: AnyModel | str | Path,
    conversations: Conversation | Sequence[Conversation],
    vectors: Mapping[Modality, FeatureTable] | None = None,
    sounds: Sounds | None = None,
    *,
    window_encoder: WindowEncoder = encode_windows,
    sets: SetRequest | None = None,
) -> list[UtterancePrediction]:
    """Predict the emotion of every utterance, in order, from the modalities that are available.

    ``model`` is a loaded model, or a source for ``mmerc.load_model``. ``vectors`` are feature
    tables by modality (``PreparedCorpus.features``), which models with an encoder of their own do
    not need; ``sounds`` are the clips of the utterances, for models that read sound.
    ``window_encoder`` runs the model's text encoder on a batch. ``sets`` asks for prediction sets.
    Labels are ignored.

    UsageError or InputError if nothing that the model uses is available, vectors do not fit, or the
    model has no scores for sets.
    """
    if not isinstance(model, ConversationModel):
        model = load_model(model)
    if isinstance(conversations, Conversation):
        conversations = [conversations]
    if sets is not None:
        check_set_request(model, sets, model.name)
    unlabelled = [conversation.without_labels() for conversation in conversations]
    examples = build_model_examples(model, unlabelled, vectors or {}, sounds)
    _check_any_input(model, examples)
    output = run_model(model, examples, effects=True, window_encoder=window_encoder)
    utterances = [(item.id, utterance) for item in conversations for utterance in item.utterances]
    predictions = [
        _build_prediction(output, row, conversation, utterance, model.labels.names)
        for row, (conversation, utterance) in enumerate(utterances)
    ]
    if sets is None:
        return predictions
    chosen = build_sets(model, output, sets)
    return [
        replace(item, emotions=one.labels, unsure=one.unsure)
        for item, one in zip(predictions, chosen, strict=True)
    ]


def _build_prediction(
    output: PredictionTensors, row: int, conversation: str, utterance: Utterance, names: _Names
) -> UtterancePrediction:
    """Collect the values of one utterance, which is in row ``row`` of the tensors."""
    probabilities = output.probabilities[row]
    return UtterancePrediction(
        conversation=conversation,
        id=utterance.id,
        speaker=utterance.speaker,
        text=utterance.text,
        start=utterance.start,
        end=utterance.end,
        label=names[int(probabilities.argmax())],
        probabilities={
            name: round(float(p), 6) for name, p in zip(names, probabilities, strict=True)
        },
        weights={m: _value_at(output.weights.get(m), row) for m in MODALITIES},
        similarity=_value_at(output.similarity, row),
        context_weight=_value_at(output.context_weight, row),
        effects={m: _value_at(output.effects.get(m), row) for m in MODALITIES},
        context_effect=_value_at(output.context_effect, row),
        layer_weights={
            f"{m}.{layer + 1}": _value_at(weights[:, layer], row)
            for m, weights in output.layer_weights.items()
            for layer in range(weights.shape[1])
        },
        left_out={m: m in output.left_out and bool(output.left_out[m][row]) for m in MODALITIES},
    )


def _check_any_input(model: AnyModel, examples: Sequence[Example]) -> None:
    """Raise InputError if no utterance has any modality that the model uses."""
    modalities = list(model.inputs.output_widths)
    if not modalities or any(bool(e.present[m].any()) for e in examples for m in e.present):
        return
    kind = "" if model.text_encoder is not None else " vectors"
    problem = f"contains none of the {' or '.join(modalities)}{kind} that the model uses"
    raise InputError("input", problem, "provide what the model was trained on")


def _value_at(values: Tensor | None, row: int) -> float | None:
    """Return one value, rounded to six digits; None if it is missing or NaN."""
    value = math.nan if values is None else float(values[row])
    return None if math.isnan(value) else round(value, 6)
