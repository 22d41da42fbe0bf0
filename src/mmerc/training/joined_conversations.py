"""Join conversations into long recordings, for training.

A corpus's dialogues are short: MELD's have ten utterances. A user's recording is a single
conversation of hundreds, which determines levelling and the reliability of each modality. Joined
conversations expose a model to that length.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mmerc.data.batch import ConversationBatch, TextWindows
from mmerc.labels import UNKNOWN_LABEL


def join_randomly(batch: ConversationBatch, most: int) -> ConversationBatch:
    """Join the batch's conversations in groups of random size: 1, 2, 4 ... up to ``most``."""
    sizes = [size for size in (2**power for power in range(most.bit_length())) if size <= most]
    return join_conversations(batch, sizes[int(torch.randint(len(sizes), ()))])


def join_conversations(batch: ConversationBatch, size: int) -> ConversationBatch:
    """Join each ``size`` consecutive conversations of a batch; speakers stay distinct.

    Shape: [B, N, ...] -> [ceil(B / size), M, ...].
    """
    if size == 1:
        return batch
    count, length = batch.mask.shape
    positions = torch.arange(count * length, device=batch.mask.device).view(count, length)
    groups = [
        positions[first : first + size][batch.mask[first : first + size]]
        for first in range(0, count, size)
    ]
    order = pad_sequence(groups, batch_first=True)  # flat positions; 0 in the padding
    lengths = torch.tensor([len(group) for group in groups], device=order.device)
    mask = torch.arange(order.shape[1], device=order.device) < lengths[:, None]

    def joined(values: Tensor, padding: float = 0) -> Tensor:
        gathered = values.flatten(0, 1)[order]
        outside = ~mask.view(*mask.shape, *(1,) * (gathered.dim() - 2))
        return gathered.masked_fill(outside, padding)

    speakers = batch.speakers + torch.arange(count, device=order.device)[:, None] * (
        int(batch.speakers.max()) + 1
    )
    return replace(
        batch,
        features={m: joined(vectors) for m, vectors in batch.features.items()},
        present={m: joined(present) for m, present in batch.present.items()},
        mask=mask,
        speakers=joined(speakers),
        labels=joined(batch.labels, UNKNOWN_LABEL),
        indices=batch.indices[::size],
        modality_labels={m: joined(v, UNKNOWN_LABEL) for m, v in batch.modality_labels.items()},
        soft_labels=None if batch.soft_labels is None else joined(batch.soft_labels),
        windows=_join_windows(batch.windows, order, mask, count * length),
    )


def _join_windows(
    windows: TextWindows | None, order: Tensor, mask: Tensor, former: int
) -> TextWindows | None:
    """Map the tokens of each window to the new positions of their utterances.

    ``former``: number of positions before; also the index of tokens without an utterance.
    """
    if windows is None:
        return None
    places = torch.full((former + 1,), mask.numel(), device=order.device)
    places[order[mask]] = mask.flatten().nonzero().flatten()
    return replace(windows, pool_into=places[windows.pool_into])
