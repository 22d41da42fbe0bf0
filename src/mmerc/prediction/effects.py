"""Effect of each modality and of the context on a prediction, measured by leaving it out.

A model may report how much a modality or the context counted. The effect of leaving it out, on the
probability of the predicted emotion, can be measured for any model and is comparable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch, map_tensors
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Decrease of the predicted emotion's probability when an input is left out.

    Shape: ``modalities[m]`` and ``context`` [B, N], -1 to 1. Above 0: it supported the prediction;
    below 0: it opposed it; NaN if the modality is absent or the only one, or there is no context.
    """

    modalities: Mapping[Modality, Tensor]
    context: Tensor


def with_encoded_text(
    model: AnyModel, batch: ConversationBatch, *, window_encoder: WindowEncoder = encode_windows
) -> ConversationBatch:
    """Replace a batch's tokens by the text encoder's vectors, so that it runs only once."""
    if model.text_encoder is None or batch.windows is None:
        return batch
    vectors = window_encoder(batch.windows, model.text_encoder, batch.mask.shape)
    return replace(batch, features={**batch.features, "text": vectors}, windows=None)


def measure_effects(model: AnyModel, batch: ConversationBatch, complete: Tensor) -> Effects:
    """Predict again without each modality and without context.

    Without context, every utterance is a separate conversation; vectors of a text encoder that
    reads whole conversations are kept (``scope`` of TextEncoderConfig).

    Shape: complete [B, N, K], the probabilities with all inputs.
    """
    predicted = complete.argmax(-1, keepdim=True)

    def loss_of_probability(reduced: ConversationBatch) -> Tensor:
        difference = complete - probabilities(model, reduced).view_as(complete)
        return difference.gather(-1, predicted).squeeze(-1)

    present = {m: batch.present[m] & batch.mask for m in model.inputs.output_widths}
    modalities: dict[Modality, Tensor] = {}
    for m, mask in present.items():
        others = [other for name, other in present.items() if name != m]
        if not others:
            continue
        measurable = mask & torch.stack(others).any(0)
        effect = torch.full(mask.shape, torch.nan, device=mask.device)
        if measurable.any():
            without = batch.with_present({**batch.present, m: torch.zeros_like(mask)})
            effect = torch.where(measurable, loss_of_probability(without), effect)
        modalities[m] = effect
    alone = batch.mask.sum(1, keepdim=True) < 2
    context = torch.full(batch.mask.shape, torch.nan, device=batch.mask.device)
    if not alone.all():
        context = loss_of_probability(split_conversations(batch)).masked_fill(alone, torch.nan)
    return Effects(modalities=modalities, context=context)


def probabilities(model: AnyModel, batch: ConversationBatch) -> Tensor:
    """Run a model, with its temperatures. Shape: -> [B, N, K]."""
    return model.calibrate_output(model(batch), batch).softmax(-1)


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
