"""Effect of each modality and of the context on a prediction, measured by leaving it out.

A model may report how much a modality or the context counted. The effect of leaving it out, on the
probability of the predicted emotion, can be measured for any model and is comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import chain

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch, ModalityWeights, map_tensors
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows
from mmerc.prediction.averaging import (
    AveragedOutput,
    predict_sets,
    share_of,
    without_modality,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Decrease of the predicted emotion's probability when an input is left out.

    Shape: ``modalities[m]`` and ``context`` [B, N], -1 to 1. Above 0: it supported the prediction;
    below 0: it opposed it; NaN if the modality is absent, left out or the only one, or there is no
    context. ``context`` is None if nothing was measured.
    """

    modalities: Mapping[Modality, Tensor] = field(default_factory=dict)
    context: Tensor | None = None


def with_encoded_text(
    model: AnyModel, batch: ConversationBatch, *, window_encoder: WindowEncoder = encode_windows
) -> ConversationBatch:
    """Replace a batch's tokens by the text encoder's vectors, so that it runs only once."""
    if model.text_encoder is None or batch.windows is None:
        return batch
    vectors = window_encoder(batch.windows, model.text_encoder, batch.mask.shape)
    return replace(batch, features={**batch.features, "text": vectors}, windows=None)


def predict_with_effects(
    model: AnyModel, batch: ConversationBatch, weights: ModalityWeights
) -> tuple[AveragedOutput, Effects]:
    """Predict a batch, and predict again without each modality and without context.

    The sets of modalities keep their ``weights``. Without context, every utterance is a separate
    conversation; vectors of a text encoder that reads whole conversations are kept (``scope`` of
    TextEncoderConfig).
    """
    reduced = {m: without_modality(m, batch, weights) for m in model.inputs.output_widths}
    measurable = {
        m: (share_of(m, batch, weights) > 0) & (torch.stack(list(rest.values())).sum(0) > 0)
        for m, rest in reduced.items()
        if rest
    }
    measured = {m: reduced[m] for m, at in measurable.items() if at.any()}
    needed = dict.fromkeys(chain(weights, *measured.values()))
    predictions = predict_sets(model, batch, needed)
    output = predictions.average(weights)
    predicted = output.probabilities.argmax(-1, keepdim=True)
    unknown = torch.full(batch.mask.shape, torch.nan, device=batch.mask.device)

    def loss_of_probability(reduced: Tensor, where: Tensor) -> Tensor:
        difference = (output.probabilities - reduced).gather(-1, predicted).squeeze(-1)
        return difference.masked_fill(~where, torch.nan)

    modalities = {
        m: loss_of_probability(predictions.average_probabilities(measured[m]), at)
        if m in measured
        else unknown
        for m, at in measurable.items()
    }
    context = unknown
    several = batch.mask.sum(1, keepdim=True) > 1
    if several.any():
        single = {s: weight.reshape(-1, 1) for s, weight in weights.items()}
        alone = predict_sets(model, split_conversations(batch), single)
        without = alone.average_probabilities(single).view_as(output.probabilities)
        context = loss_of_probability(without, several)
    return output, Effects(modalities=modalities, context=context)


def split_conversations(batch: ConversationBatch) -> ConversationBatch:
    """Make every utterance a separate conversation. Shape: [B, N, ...] -> [B * N, 1, ...]."""

    def split(tensor: Tensor) -> Tensor:
        return tensor.flatten(0, 1).unsqueeze(1)

    return replace(
        batch,
        features={m: split(vectors) for m, vectors in batch.features.items()},
        present={m: split(mask) for m, mask in batch.present.items()},
        mask=torch.ones_like(split(batch.mask)),
        speakers=torch.zeros_like(split(batch.speakers)),
        labels=split(batch.labels),
        modality_labels={m: split(labels) for m, labels in batch.modality_labels.items()},
        soft_labels=None if batch.soft_labels is None else split(batch.soft_labels),
        indices=torch.arange(batch.mask.numel(), device=batch.mask.device),
        tokens=map_tensors(batch.tokens, split),
        waveforms=map_tensors(batch.waveforms, split),
    )
