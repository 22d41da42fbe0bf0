"""A corpus with some of its modalities only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations

from mmerc.conversation import Conversation, Modality
from mmerc.data.corpus import PreparedCorpus


def modality_subsets(modalities: Sequence[Modality]) -> Iterator[tuple[Modality, ...]]:
    """Yield all non-empty subsets of modalities, the largest first."""
    for size in range(len(modalities), 0, -1):
        yield from combinations(modalities, size)


def restrict_modalities(corpus: PreparedCorpus, modalities: Sequence[Modality]) -> PreparedCorpus:
    """Return the corpus with only these modalities present."""
    splits = corpus.splits
    if "text" not in modalities:
        splits = {split: tuple(map(_without_text, items)) for split, items in splits.items()}
    tables = {m: table for m, table in corpus.features.items() if m in modalities}
    return replace(corpus, splits=splits, features=tables)


def _without_text(conversation: Conversation) -> Conversation:
    """Return the conversation with empty texts."""
    utterances = tuple(replace(utterance, text="") for utterance in conversation.utterances)
    return replace(conversation, utterances=utterances)
