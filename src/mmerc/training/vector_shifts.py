"""Shifts of one modality's vectors, for the table on a model card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from mmerc.conversation import Modality
from mmerc.data.batch import ConversationBatch
from mmerc.labels import LabelSet
from mmerc.training.disturbances import VectorChange, draw_vectors, replace_by_others

DRAWS = 5
_NEUTRAL = "neutral"


def _show_listener(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Use the previous utterance's face; the first keeps its own.

    Shape (of all shifts): vectors [N, D], pool [P, D], labels [P] -> [N, D].
    """
    return torch.cat([vectors[:1], vectors[:-1]])


def _freeze(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Repeat the first vector throughout."""
    return vectors[:1].expand_as(vectors)


def _mix_half(vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Mix every vector with another utterance's."""
    return (vectors + replace_by_others(vectors, pool, labels)) / 2


def _repeat_label(label: int, vectors: Tensor, pool: Tensor, labels: Tensor) -> Tensor:
    """Replace every vector by another utterance's with this label, if there are any."""
    chosen = pool[labels == label]
    return draw_vectors(chosen if len(chosen) else pool, len(vectors))


def list_vector_shifts(labels: LabelSet) -> Mapping[tuple[Modality, str], VectorChange]:
    """Return the shifts by modality and name; includes neutral faces if there is such a label."""
    shifts: dict[tuple[Modality, str], VectorChange] = {
        ("audio", "another person's voice"): replace_by_others,
        ("audio", "half another's voice"): _mix_half,
        ("video", "another person's face"): replace_by_others,
        ("video", "the listener's face"): _show_listener,
        ("video", "a frozen face"): _freeze,
        ("text", "words of other utterances"): replace_by_others,
    }
    if _NEUTRAL in labels.names:
        neutral = partial(_repeat_label, labels.index(_NEUTRAL))
        shifts["video", "a neutral face throughout"] = neutral
    return shifts


def shift_vectors(
    batches: Sequence[ConversationBatch], modality: Modality, change: VectorChange
) -> list[ConversationBatch]:
    """Shift one modality of every recording; each batch has one recording.

    Replacements are drawn from all recordings ``DRAWS`` times, and every recording is returned that
    many times: with a dozen recordings, a single draw moves the score by a point. Draws are
    reproducible.
    """
    pool = torch.cat([b.features[modality][b.present[modality]] for b in batches])
    labels = torch.cat([b.labels[b.present[modality]] for b in batches])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [
            _shift_recording(batch, modality, change, pool, labels)
            for _ in range(DRAWS)
            for batch in batches
        ]


def _shift_recording(
    batch: ConversationBatch, modality: Modality, change: VectorChange, pool: Tensor, labels: Tensor
) -> ConversationBatch:
    present = batch.present[modality]
    vectors = batch.features[modality]
    shifted = vectors.clone()
    shifted[present] = change(vectors[present], pool, labels)
    return batch.with_features({**batch.features, modality: shifted})
