"""Conversations without words, in training: voices and faces learn what they show by themselves.

With words, an utterance's label is what is meant. Voice and face often show something else: in the
composed corpus a third of the voices do, and actors feign. A model that sees them only beside
words learns little of what they say without. Corpora that label each modality separately (CH-SIMS;
the composed corpus, whose voices and faces keep their first labels) can teach that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.labels import UNKNOWN_LABEL

_TEXT: Modality = "text"


def hide_text(batch: ConversationBatch, share: float) -> ConversationBatch:
    """Hide the text of a ``share`` of the conversations, and often the voices or the faces too.

    [decided] Such a conversation keeps voice and face or, just as often, either of them alone. The
    label of an utterance becomes that of one of its remaining modalities, drawn at random; if the
    corpus does not label modalities, it stays the utterance's. An utterance with no modality left
    is not labelled.
    """
    others = [m for m in batch.present if m != _TEXT]
    if _TEXT not in batch.present or not others:
        return batch
    hidden = torch.rand(len(batch)) < share
    kept = dict.fromkeys(others, ~hidden) | {_TEXT: ~hidden}
    choice = torch.randint(len(others) + 1, (len(batch),))
    for number, modality in enumerate(others):  # the last choice: all of them
        kept[modality] = ~hidden | (choice == number) | (choice == len(others))
    device = batch.mask.device
    present = {m: mask & kept[m].to(device)[:, None] for m, mask in batch.present.items()}
    drawn = _draw_labels(batch, {m: present[m] for m in others})
    labels = torch.where(hidden.to(device)[:, None], drawn, batch.labels)
    return replace(batch, present=present, labels=labels)


def _draw_labels(batch: ConversationBatch, present: Mapping[Modality, Tensor]) -> Tensor:
    """Draw for every utterance the label of one of the modalities present. Shape: -> [B, N]."""
    masks = torch.stack(list(present.values())).float()  # [M, B, N]
    order = (masks * (1 + torch.rand_like(masks))).argmax(0)
    labels = torch.stack([_labels_of(batch, modality) for modality in present])
    drawn = labels.gather(0, order[None])[0]
    unlabelled = ~masks.any(0) | (batch.labels < 0)
    return drawn.masked_fill(unlabelled, UNKNOWN_LABEL)


def _labels_of(batch: ConversationBatch, modality: Modality) -> Tensor:
    """What a modality shows by itself, or the utterance's label. Shape: -> [B, N]."""
    own = batch.modality_labels.get(modality, torch.full_like(batch.labels, UNKNOWN_LABEL))
    return torch.where(own >= 0, own, batch.labels)
