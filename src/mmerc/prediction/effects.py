"""What decides a prediction, found by leaving it out.

A model may say of itself how much a modality or the context counted. What leaving it out does to
the probability of the predicted emotion can be told of any model, and is true by definition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch, mapped
from mmerc.models.base import AnyModel
from mmerc.models.inputs import WindowEncoder, encode_windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """How much of the predicted emotion's probability goes when something is left out.

    Shape: ``modalities[m]`` and ``context`` [B, N], -1 to 1: above 0 it spoke for the prediction,
    below 0 against it; NaN where the modality is absent or the only one, or nobody else speaks.
    """

    modalities: Mapping[Modality, Tensor]
    context: Tensor


def with_encoded_text(
    model: AnyModel, batch: ConversationBatch, *, window_encoder: WindowEncoder = encode_windows
) -> ConversationBatch:
    """The same batch with the text encoder's vectors in place of tokens: it is read once."""
    if model.text_encoder is None or batch.windows is None:
        return batch
    features = {
        **batch.features,
        "text": window_encoder(batch.windows, model.text_encoder, batch.mask.shape),
    }
    return replace(batch, features=features, windows=None)


def measure_effects(model: AnyModel, batch: ConversationBatch, whole: Tensor) -> Effects:
    """Predict again without each modality, and without context.

    "Without context" has every utterance as a conversation of its own; of an encoder that reads
    whole conversations the text vectors stay (``scope`` of TextEncoderConfig).

    Shape: whole [B, N, K], the probabilities with everything.
    """
    chosen = whole.argmax(-1, keepdim=True)

    def lost(without: Tensor) -> Tensor:
        gone: Tensor = (whole - without.view_as(whole)).gather(-1, chosen)
        return gone.squeeze(-1)

    present = {m: batch.present[m] & batch.mask for m in model.inputs.output_widths}
    modalities: dict[Modality, Tensor] = {}
    for m, there in present.items():
        others = [mask for name, mask in present.items() if name != m]
        if not others:
            continue
        told = there & torch.stack(others).any(0)
        effect = torch.full(there.shape, torch.nan, device=there.device)
        if told.any():
            nothing = {**batch.present, m: torch.zeros_like(there)}
            without = lost(probabilities(model, batch.with_present(nothing)))
            effect = torch.where(told, without, effect)
        modalities[m] = effect
    alone = batch.mask.sum(1, keepdim=True) < 2
    context = torch.full(batch.mask.shape, torch.nan, device=batch.mask.device)
    if not alone.all():
        less = lost(probabilities(model, each_alone(batch)))
        context = less.masked_fill(alone, torch.nan)
    return Effects(modalities=modalities, context=context)


def probabilities(model: AnyModel, batch: ConversationBatch) -> Tensor:
    """Shape: -> [B, N, K]."""
    logits: Tensor = model(batch).logits.float()
    return (logits / model.temperature).softmax(-1)


def each_alone(batch: ConversationBatch) -> ConversationBatch:
    """Every utterance as a conversation of its own. Shape: [B, N, ...] -> [B * N, 1, ...]."""

    def apart(tensor: Tensor) -> Tensor:
        return tensor.flatten(0, 1).unsqueeze(1)

    return replace(
        batch,
        features={m: apart(vectors) for m, vectors in batch.features.items()},
        present={m: apart(mask) for m, mask in batch.present.items()},
        mask=torch.ones_like(apart(batch.mask)),
        speakers=torch.zeros_like(apart(batch.speakers)),
        labels=apart(batch.labels),
        indices=torch.arange(batch.mask.numel(), device=batch.mask.device),
        tokens=mapped(batch.tokens, apart),
        waveforms=mapped(batch.waveforms, apart),
    )
