"""Misleading voices and faces in training, from which a model learns what not to trust.

In real recordings a camera shows the listener, a line is bad, or a face hardly moves. In training
data every modality is always informative, so a model learns to trust all of them. Here one modality
is made uninformative, or less informative, throughout some conversations.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mmerc.conversation import MODALITIES, Modality
from mmerc.data.batch import ConversationBatch

VectorChange = Callable[[Tensor, Tensor, Tensor], Tensor]
_OFFSET, _GAIN = 0.7, 0.3  # in standard deviations; standard deviation of the logarithm
_LEAST_MIXED, _MOST_MIXED = 0.3, 0.9


def disturb_conversations(batch: ConversationBatch, rate: float) -> ConversationBatch:
    """Disturb the vectors of one modality in a share ``rate`` of the conversations.

    The vectors are replaced by other utterances', replaced by those of a single emotion, mixed with
    others, or shifted and scaled as by another microphone or camera. Replacements come from the
    batch. Text that the model encodes is unchanged.
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


def replace_by_others(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Take other utterances' vectors: another person's face, a swapped track.

    Shape: vectors [N, D], pool [P, D], labels [P] -> [N, D].
    """
    return draw_vectors(pool, len(vectors))


def _one_emotion(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Take vectors of a single emotion: a face that hardly moves, a voice that always shouts."""
    known = labels[labels >= 0]
    if len(known) == 0:
        return replace_by_others(vectors, pool, labels)
    emotions = torch.unique(known)
    emotion = emotions[int(torch.randint(len(emotions), ()))]
    return draw_vectors(pool[labels == emotion], len(vectors))


def _mixed(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Mix in other utterances' vectors: blur, noise."""
    share = _LEAST_MIXED + (_MOST_MIXED - _LEAST_MIXED) * float(torch.rand(()))
    return (1 - share) * vectors + share * draw_vectors(pool, len(vectors))


def _shifted(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Apply an offset and a gain per dimension: another microphone or camera."""
    deviation = pool.std(0, unbiased=False)
    offset = _OFFSET * deviation * torch.randn_like(deviation)
    centre = pool.mean(0)
    return centre + offset + (vectors - centre) * (_GAIN * torch.randn_like(deviation)).exp()


_CHANGES: tuple[VectorChange, ...] = (replace_by_others, _one_emotion, _mixed, _shifted)
