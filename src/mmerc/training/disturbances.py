"""Voices and faces that mislead, in training: a model learns which modality not to trust.

In real recordings a camera shows the listener, a line is bad, a person's face hardly moves. In the
training data every modality always means something, so a model trusts all of them for ever. Here
one modality of some conversations means nothing, or less, from beginning to end.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch

VectorChange = Callable[[Tensor, Tensor, Tensor], Tensor]
_OFFSET, _GAIN = 0.7, 0.3  # deviations; deviation of the logarithm
_LEAST_MIXED, _MOST_MIXED = 0.3, 0.9


def disturb_conversations(batch: ConversationBatch, rate: float) -> ConversationBatch:
    """Disturb the vectors of one modality in a share ``rate`` of the conversations.

    The vectors become those of other utterances, those of one emotion throughout, mixed with
    others', or shifted and scaled as by another microphone or camera. Replacements come from the
    batch itself. Text that the model encodes is left alone.
    """
    modalities = [m for m in MODALITIES if m in batch.features and bool(batch.present[m].any())]
    chosen = torch.rand(len(batch)) < rate
    if not modalities or not bool(chosen.any()):
        return batch
    features = dict(batch.features)
    for row in chosen.nonzero().flatten().tolist():
        modality = modalities[int(torch.randint(len(modalities), ()))]
        change = _CHANGES[int(torch.randint(len(_CHANGES), ()))]
        features[modality] = _change_row(batch, features[modality], modality, row, change)
    return batch.with_features(features)


def _change_row(
    batch: ConversationBatch, vectors: Tensor, modality: Modality, row: int, change: VectorChange
) -> Tensor:
    """Change one conversation's vectors of one modality. Shape: [B, N, D] -> [B, N, D]."""
    present = batch.present[modality]
    pool, labels = batch.features[modality][present], batch.labels[present]
    changed = vectors.clone()
    changed[row, present[row]] = change(vectors[row, present[row]], pool, labels)
    return changed


def draw_vectors(pool: Tensor, count: int) -> Tensor:
    """Draw vectors at random. Shape: pool [P, D] -> [count, D]."""
    return pool[torch.randint(len(pool), (count,), device=pool.device)]


def replace_by_others(own: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Other utterances' vectors: another person's face, a swapped track.

    Shape: own [N, D], pool [P, D], labels [P] -> [N, D].
    """
    return draw_vectors(pool, len(own))


def _one_emotion(own: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Vectors of one emotion throughout: a face that hardly moves, a voice that always shouts."""
    known = labels[labels >= 0]
    if len(known) == 0:
        return replace_by_others(own, pool, labels)
    emotions = torch.unique(known)
    emotion = emotions[int(torch.randint(len(emotions), ()))]
    return draw_vectors(pool[labels == emotion], len(own))


def _mixed(own: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Less of the utterance's own: blur, noise."""
    share = _LEAST_MIXED + (_MOST_MIXED - _LEAST_MIXED) * float(torch.rand(()))
    return (1 - share) * own + share * draw_vectors(pool, len(own))


def _shifted(own: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Another microphone or camera: an offset and a gain per dimension."""
    deviation = pool.std(0, unbiased=False)
    offset = _OFFSET * deviation * torch.randn_like(deviation)
    centre = pool.mean(0)
    return centre + offset + (own - centre) * (_GAIN * torch.randn_like(deviation)).exp()


_CHANGES: tuple[VectorChange, ...] = (replace_by_others, _one_emotion, _mixed, _shifted)
