"""Run a model over conversations and bring the answers back in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mmerc.conversation import Conversation, Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader
from mmerc.data.examples import Example, TextInput, build_examples
from mmerc.data.sounds import Sounds
from mmerc.data.utterance_batches import each_utterance, with_sounds
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.nn.text_encoder import TextEncoder
from mmerc.prediction.effects import measure_effects, with_encoded_text


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionTensors:
    """What a model says of M utterances.

    Shape: probabilities [M, K]; labels [M] (-100 unknown); weights[m], similarity and
    context_weight [M], NaN where the model or the utterance has none; effects[m] and
    context_effect [M] (``mmerc.prediction.effects``), NaN where they were not asked for;
    layer_weights[m] [M, F], of models that fuse layer by layer.
    """

    probabilities: Tensor
    labels: Tensor
    weights: Mapping[Modality, Tensor]
    similarity: Tensor
    context_weight: Tensor
    effects: Mapping[Modality, Tensor]
    context_effect: Tensor
    layer_weights: Mapping[Modality, Tensor] = field(default_factory=dict)


def build_text_input(encoder: TextEncoder | None) -> TextInput | None:
    """How an encoder wants its text; None for a model that takes ready-made vectors."""
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
    tables: Mapping[Modality, FeatureTable],
    sounds: Sounds | None = None,
) -> list[Example]:
    """Tensors of the conversations as this model takes them: whole, or utterance by utterance."""
    text = build_text_input(model.text_encoder)
    if text is not None and model.tokenizer is not None:
        text = replace(text, tokenizer=model.tokenizer)
    examples = build_examples(
        conversations,
        labels=model.labels,
        widths=model.inputs.widths,
        tables=tables,
        text=text,
    )
    if model.speech_encoder is not None:
        examples = with_sounds(examples, conversations, sounds or {})
    return each_utterance(examples) if model.unit == "utterance" else examples


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

    ``effects``: also measure the effect of each modality and of the context by leaving it out;
    ``window_encoder`` then runs the text encoder.
    """
    was_training = model.training
    model.eval()
    device = model.class_weights.device
    pieces: dict[int, PredictionTensors] = {}
    for batch in batch_loader(examples, tokenizer=model.tokenizer, size=size, shuffle=False):
        found = run_batch(model, batch.to(device), effects=effects, window_encoder=window_encoder)
        rows = zip(batch.indices.tolist(), batch.mask.cpu(), strict=True)
        pieces |= {index: pick(found, row, mask) for row, (index, mask) in enumerate(rows)}
    model.train(was_training)
    return join([pieces[example.index] for example in examples], model)


def run_batch(
    model: AnyModel, batch: ConversationBatch, *, effects: bool, window_encoder: WindowEncoder
) -> PredictionTensors:
    """PredictionTensors with [B, N] in place of [M]."""
    batch = with_encoded_text(model, batch, window_encoder=window_encoder) if effects else batch
    output = model(batch)
    shown = output.explanation
    probabilities = (output.logits.float() / model.temperature).softmax(-1)
    left_out = measure_effects(model, batch, probabilities) if effects else None
    nothing = torch.full(batch.mask.shape, torch.nan)
    return PredictionTensors(
        probabilities=probabilities,
        labels=batch.labels,
        weights={
            m: weight.float().masked_fill(~batch.present[m], torch.nan)
            for m, weight in shown.weights.items()
        },
        similarity=nothing if shown.similarity is None else shown.similarity,
        context_weight=nothing if shown.context_weight is None else shown.context_weight,
        effects={} if left_out is None else left_out.modalities,
        context_effect=nothing if left_out is None else left_out.context,
        layer_weights={
            m: weights.float().masked_fill(~batch.present[m].unsqueeze(-1), torch.nan)
            for m, weights in shown.layer_weights.items()
        },
    )


def pick(found: PredictionTensors, row: int, mask: Tensor) -> PredictionTensors:
    """The answers of one conversation of a batch, on the processor."""

    def of(tensor: Tensor) -> Tensor:
        return tensor[row].cpu()[mask]

    return PredictionTensors(
        probabilities=of(found.probabilities),
        labels=of(found.labels),
        weights={m: of(weight) for m, weight in found.weights.items()},
        similarity=of(found.similarity.float()),
        context_weight=of(found.context_weight.float()),
        effects={m: of(effect) for m, effect in found.effects.items()},
        context_effect=of(found.context_effect),
        layer_weights={m: of(weights) for m, weights in found.layer_weights.items()},
    )


def join(pieces: Sequence[PredictionTensors], model: AnyModel) -> PredictionTensors:
    """All pieces end to end."""
    if not pieces:
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
    first = pieces[0]
    return PredictionTensors(
        probabilities=torch.cat([piece.probabilities for piece in pieces]),
        labels=torch.cat([piece.labels for piece in pieces]),
        weights={m: torch.cat([p.weights[m] for p in pieces]) for m in first.weights},
        similarity=torch.cat([piece.similarity for piece in pieces]),
        context_weight=torch.cat([piece.context_weight for piece in pieces]),
        effects={m: torch.cat([p.effects[m] for p in pieces]) for m in first.effects},
        context_effect=torch.cat([piece.context_effect for piece in pieces]),
        layer_weights={
            m: torch.cat([p.layer_weights[m] for p in pieces]) for m in first.layer_weights
        },
    )
