"""Predict the emotion of every utterance of conversations, with explanations."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from mmerc.conversation import MODALITIES, Conversation, Modality, Utterance
from mmerc.data.examples import Example
from mmerc.data.sounds import Sounds
from mmerc.errors import InputError
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel, ConversationModel
from mmerc.models.inputs import WindowEncoder
from mmerc.models.registry import load_model
from mmerc.prediction.prediction_sets import build_sets, check_set_request
from mmerc.prediction.run_model import PredictionTensors, build_model_examples, run_model
from mmerc.prediction.set_request import SetRequest
from mmerc.prediction.utterance_prediction import UtterancePrediction
from mmerc.prediction.window_encoding import encode_in_parts

_Names = tuple[str, ...]
_FEWEST_CONVERSATIONS, _BATCH_UTTERANCES = 16, 1024  # a batch has the overhead of its many layers


def predict(
    model: AnyModel | str | Path,
    conversations: Conversation | Sequence[Conversation],
    vectors: Mapping[Modality, FeatureTable] | None = None,
    sounds: Sounds | None = None,
    *,
    window_encoder: WindowEncoder = encode_in_parts,
    sets: SetRequest | None = None,
) -> list[UtterancePrediction]:
    """Predict the emotion of every utterance, in order, from the available modalities.

    ``model`` is a loaded model, or a source for ``mmerc.load_model``. ``vectors`` are feature
    tables by modality (``PreparedCorpus.features``), not needed for modalities with an encoder;
    ``sounds`` are the utterances' audio clips, for models that read waveforms. ``window_encoder``
    runs the model's text encoder on a batch. ``sets`` requests prediction sets. Labels are ignored.

    UsageError or InputError if none of the model's inputs is available, vectors have the wrong
    width, or the model has no scores for sets.
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
    longest = max(map(len, examples), default=1)
    output = run_model(
        model,
        examples,
        size=max(_BATCH_UTTERANCES // longest, _FEWEST_CONVERSATIONS),
        effects=True,
        window_encoder=window_encoder,
    )
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
    """Collect the values of the utterance in row ``row`` of the tensors."""
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
    """Raise InputError if no utterance has a modality that the model uses."""
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
