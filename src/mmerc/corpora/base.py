"""What every reader of a raw corpus returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import Conversation, Modality, Split
from mmerc.errors import InputError
from mmerc.labels import LabelSet

Vectors = Mapping[tuple[str, str], NDArray[np.float32] | None]
"""(conversation id, utterance id) -> float32 [dim], or None where the modality is absent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCorpus:
    """Conversations by split, and the vectors that the corpus was published with.

    ``published`` maps a split to the utterance and conversation counts of its authors;
    ``notes`` are plain sentences that ``mmerc prepare`` shows (a split that we made, say).
    ``labels_of`` names the corpus that the labels are taken from, where it is not this one.
    ``saw_labels`` names the modalities whose vectors of the training and validation utterances come
    from a network that was trained on those very labels.
    """

    name: str
    labels: LabelSet
    splits: Mapping[Split, tuple[Conversation, ...]]
    features: Mapping[Modality, Vectors] = field(default_factory=dict)
    published: Mapping[Split, tuple[int, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    labels_of: str | None = None
    saw_labels: frozenset[Modality] = frozenset()

    def __post_init__(self) -> None:
        seen: dict[str, Split] = {}
        for split, conversations in self.splits.items():
            for conversation in conversations:
                if conversation.id in seen:
                    problem = f"stands twice, in {seen[conversation.id]} and in {split}"
                    where = f"conversation {conversation.id!r}"
                    raise InputError(where, problem, "give every conversation an id of its own")
                seen[conversation.id] = split
