"""Run a model over conversations and bring the answers back in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mmerc.conversation import Conversation, Modality
from mmerc.data.batch import ConversationBatch
from mmerc.data.batches import batch_loader
from mmerc.data.examples import Example, TextInput, build_examples
from mmerc.features.store import FeatureTable
from mmerc.models.base import AnyModel, ModelOutput
from mmerc.nn.text_encoder import TextEncoder


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model says of M utterances.

    Shape: probabilities [M, K]; labels [M] (-100 unknown); weights[m], similarity and
    context_weight [M], NaN where the model or the utterance has none.
    """

    probabilities: Tensor
    labels: Tensor
    weights: Mapping[Modality, Tensor]
    similarity: Tensor
    context_weight: Tensor


def text_input(encoder: TextEncoder | None) -> TextInput | None:
    """How an encoder wants its text; None for a model that takes ready-made vectors."""
    if encoder is None:
        return None
    return TextInput(
        tokenizer=encoder.tokenizer,
        utterance_tokens=encoder.config.utterance_tokens,
        speaker_prefix=encoder.config.speaker_prefix,
    )


def examples_for(
    model: AnyModel,
    conversations: Sequence[Conversation],
    tables: Mapping[Modality, FeatureTable],
) -> list[Example]:
    """Tensors of the conversations as this model takes them."""
    return build_examples(
        conversations,
        labels=model.labels,
        widths=model.inputs.widths,
        tables=tables,
        text=text_input(model.text_encoder),
    )


@torch.inference_mode()
def answer(model: AnyModel, examples: Sequence[Example], *, size: int = 16) -> Answers:
    """Predict every utterance, in the order of ``examples``, where the model's weights lie."""
    was_training = model.training
    model.eval()
    device = model.class_weights.device
    pieces: dict[int, Answers] = {}
    for batch in batch_loader(examples, tokenizer=model.tokenizer, size=size, shuffle=False):
        pieces.update(split_answers(model(batch.to(device)), batch))
    model.train(was_training)
    return join_answers([pieces[example.index] for example in examples], model)


def split_answers(output: ModelOutput, batch: ConversationBatch) -> dict[int, Answers]:
    """Answers of each conversation of a batch, by its index."""
    probabilities = output.logits.float().softmax(-1).cpu()
    mask = batch.mask.cpu()
    shown = output.explanation
    nothing = torch.full(mask.shape, torch.nan)
    weights = {
        m: weight.float().cpu().masked_fill(~batch.present[m].cpu(), torch.nan)
        for m, weight in shown.weights.items()
    }
    similarity = nothing if shown.similarity is None else shown.similarity.float().cpu()
    context = nothing if shown.context_weight is None else shown.context_weight.float().cpu()
    return {
        int(index): Answers(
            probabilities=probabilities[row, mask[row]],
            labels=batch.labels[row].cpu()[mask[row]],
            weights={m: weight[row, mask[row]] for m, weight in weights.items()},
            similarity=similarity[row, mask[row]],
            context_weight=context[row, mask[row]],
        )
        for row, index in enumerate(batch.indices)
    }


def join_answers(pieces: Sequence[Answers], model: AnyModel) -> Answers:
    """All pieces end to end."""
    if not pieces:
        nothing = torch.zeros(0)
        return Answers(
            probabilities=torch.zeros(0, len(model.labels)),
            labels=torch.zeros(0, dtype=torch.long),
            weights={},
            similarity=nothing,
            context_weight=nothing,
        )
    return Answers(
        probabilities=torch.cat([piece.probabilities for piece in pieces]),
        labels=torch.cat([piece.labels for piece in pieces]),
        weights={m: torch.cat([p.weights[m] for p in pieces]) for m in pieces[0].weights},
        similarity=torch.cat([piece.similarity for piece in pieces]),
        context_weight=torch.cat([piece.context_weight for piece in pieces]),
    )
