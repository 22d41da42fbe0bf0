"""Run a model on conversations; return its outputs for each utterance, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from mmerc.conversation import Conversation, Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader
from mmerc.data.examples import Example, TextInput, build_examples
from mmerc.data.sounds import Sounds
from mmerc.data.utterance_batches import split_utterances, with_sounds
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.nn.text_encoder import TextEncoder
from mmerc.prediction.averaging import predict_sets, share_of
from mmerc.prediction.effects import Effects, predict_with_effects, with_encoded_text
from mmerc.threads import one_thread

_HALF = 0.5
_FEW_UTTERANCES = 128  # fusing them takes a tenth of a second


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionTensors:
    """A model's outputs for M utterances.

    Shape: probabilities [M, K]; labels [M] int (-100 unknown); weights[m], similarity and
    context_weight [M], NaN if the model or the utterance has none; effects[m] and context_effect
    [M] (``mmerc.prediction.effects``), NaN if not measured; layer_weights[m] [M, F], for models
    with layer-wise fusion; left_out[m] [M] bool, where sets without a present modality have more
    than half of the weight (``mmerc.prediction.averaging``); used[m] [M] bool, the modalities of
    the set with the largest weight.
    """

    probabilities: Tensor
    labels: Tensor
    weights: Mapping[Modality, Tensor]
    similarity: Tensor
    context_weight: Tensor
    effects: Mapping[Modality, Tensor]
    context_effect: Tensor
    layer_weights: Mapping[Modality, Tensor] = field(default_factory=dict)
    left_out: Mapping[Modality, Tensor] = field(default_factory=dict)
    used: Mapping[Modality, Tensor] = field(default_factory=dict)

    def convert(self, function: Callable[[Tensor], Tensor]) -> PredictionTensors:
        """Apply a function to every tensor."""
        return PredictionTensors(
            **{
                item.name: _mapped_values(getattr(self, item.name), function)
                for item in fields(self)
            }
        )


def _mapped_values(value: Any, function: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to a tensor, or to every tensor of a mapping."""
    if isinstance(value, Mapping):
        return {name: function(tensor) for name, tensor in value.items()}
    return function(value)


def build_text_input(encoder: TextEncoder | None) -> TextInput | None:
    """Describe an encoder's text input; None for a model that takes vectors."""
    if encoder is None:
        return None
    return TextInput(
        tokenizer=encoder.tokenizer,
        utterance_tokens=encoder.config.utterance_tokens,
        speaker_prefix=encoder.config.speaker_prefix,
    )


def build_model_examples(
    model: AnyModel,
    conversations: Sequence[Conversation],
    vectors: Mapping[Modality, FeatureTable],
    sounds: Sounds | None = None,
) -> list[Example]:
    """Convert conversations into model inputs, one per conversation or per utterance.

    InputError if a modality's vectors do not have the model's width.
    """
    text = build_text_input(model.text_encoder)
    if text is not None and model.tokenizer is not None:
        text = replace(text, tokenizer=model.tokenizer)
    examples = build_examples(
        conversations,
        labels=model.labels,
        widths=model.inputs.widths,
        tables=vectors,
        text=text,
    )
    if model.speech_encoder is not None:
        examples = with_sounds(examples, conversations, sounds or {})
    return split_utterances(examples) if model.unit == "utterance" else examples


@torch.inference_mode()
def run_model(
    model: AnyModel,
    examples: Sequence[Example],
    *,
    size: int = 16,
    effects: bool = False,
    window_encoder: WindowEncoder = encode_windows,
) -> PredictionTensors:
    """Predict every utterance, in the order of ``examples``, on the model's device.

    ``effects``: also measure the effect of leaving out each modality and the context.
    ``window_encoder`` runs the text encoder. ``size``: number of examples per batch.
    """
    device = model.class_weights.device
    parts: dict[int, PredictionTensors] = {}
    with _evaluating(model):
        for batch in batch_loader(examples, tokenizer=model.tokenizer, size=size, shuffle=False):
            output = _run_batch(
                model, batch.to(device), effects=effects, window_encoder=window_encoder
            )
            rows = zip(batch.indices.tolist(), batch.mask.cpu(), strict=True)
            parts |= {n: _select_row(output, row, mask) for row, (n, mask) in enumerate(rows)}
    return _concatenate([parts[example.index] for example in examples], model)


@contextmanager
def _evaluating(model: AnyModel) -> Iterator[None]:
    """Temporarily switch the parts of a model in training mode to evaluation mode.

    ``Module.eval`` visits all parts, which takes longer than predicting a short conversation.
    """
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _run_batch(
    model: AnyModel, batch: ConversationBatch, *, effects: bool, window_encoder: WindowEncoder
) -> PredictionTensors:
    """Predict one batch; the outputs are [B, N] instead of [M]."""
    batch = with_encoded_text(model, batch, window_encoder=window_encoder)
    encoded = batch.tokens is None and batch.waveforms is None
    with one_thread(wanted=encoded and batch.mask.numel() <= _FEW_UTTERANCES):
        return _run_encoded(model, batch, effects=effects)


def _run_encoded(model: AnyModel, batch: ConversationBatch, *, effects: bool) -> PredictionTensors:
    """Predict one batch whose text is encoded."""
    model, batch = model.level_conversations(batch)
    weights = model.weigh_modalities(batch)
    if effects:
        output, measured = predict_with_effects(model, batch, weights)
    else:
        output, measured = predict_sets(model, batch, weights).average(weights), Effects()
    explanation = output.explanation
    shares = {m: share_of(m, batch, weights) for m in model.inputs.output_widths}
    nothing = torch.full(batch.mask.shape, torch.nan)
    return PredictionTensors(
        probabilities=output.probabilities,
        labels=batch.labels,
        weights={
            m: weight.float().masked_fill(shares[m] == 0, torch.nan)
            for m, weight in explanation.weights.items()
        },
        similarity=nothing if explanation.similarity is None else explanation.similarity.float(),
        context_weight=(
            nothing if explanation.context_weight is None else explanation.context_weight.float()
        ),
        effects=measured.modalities,
        context_effect=nothing if measured.context is None else measured.context,
        left_out={m: batch.present[m] & (share < _HALF) for m, share in shares.items()},
        used=output.used,
        layer_weights={
            m: weights.float().masked_fill(shares[m].unsqueeze(-1) == 0, torch.nan)
            for m, weights in explanation.layer_weights.items()
        },
    )


def _select_row(output: PredictionTensors, row: int, mask: Tensor) -> PredictionTensors:
    """Select one conversation of a batch without padding, on the CPU."""
    return output.convert(lambda tensor: tensor[row].cpu()[mask])


def _concatenate(parts: Sequence[PredictionTensors], model: AnyModel) -> PredictionTensors:
    """Join the outputs of several conversations; empty if there are none."""
    if not parts:
        nothing = torch.zeros(0)
        return PredictionTensors(
            probabilities=torch.zeros(0, len(model.labels)),
            labels=torch.zeros(0, dtype=torch.long),
            weights={},
            similarity=nothing,
            context_weight=nothing,
            effects={},
            context_effect=nothing,
        )
    first = parts[0]
    joined: dict[str, Any] = {}
    for item in fields(first):
        values = [getattr(part, item.name) for part in parts]
        joined[item.name] = (
            {m: torch.cat([value[m] for value in values]) for m in values[0]}
            if isinstance(values[0], Mapping)
            else torch.cat(values)
        )
    return PredictionTensors(**joined)
