"""From a raw corpus to the prepared folder, and the counts beside the published ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mmerc.conversation import SPLITS, Conversation, Modality, Split
from mmerc.corpora.base import RawCorpus, Vectors
from mmerc.corpora.error_location import inside
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable

ABSENT = "the corpus was published without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """Counts of one split; the published ones are None where the authors give none."""

    split: Split
    utterances: int
    conversations: int
    published_utterances: int | None
    published_conversations: int | None
    labels: Mapping[str, int]


def prepare_corpus(raw: RawCorpus, out: Path, *, overwrite: bool = False) -> PreparedCorpus:
    """Write ``raw`` and its published vectors to the folder ``out``, and return what it holds.

    InputError for a corpus without a conversation, a bad vector, or a folder that is not empty.
    """
    splits = {split: raw.splits[split] for split in SPLITS if raw.splits.get(split)}
    if not splits:
        raise InputError(f"corpus {raw.name!r}", "it holds no conversation", "read another one")
    with inside(f"corpus {raw.name!r}"):
        features = published_tables(raw.name, splits, raw.features, saw_labels=raw.saw_labels)
    prepared = PreparedCorpus(
        name=raw.name,
        labels=raw.labels,
        labels_of=raw.labels_of,
        splits=splits,
        features=features,
    )
    prepared.save(out, overwrite=overwrite)
    return prepared


def published_tables(
    name: str,
    splits: Mapping[Split, tuple[Conversation, ...]],
    features: Mapping[Modality, Vectors],
    *,
    saw_labels: frozenset[Modality] = frozenset(),
) -> dict[Modality, FeatureTable]:
    """A table for every modality of which there is a vector at all."""
    return {
        modality: published_table(
            name, splits, modality, vectors, saw_labels=modality in saw_labels
        )
        for modality, vectors in features.items()
        if any(vector is not None for vector in vectors.values())
    }


def published_table(
    name: str,
    splits: Mapping[Split, tuple[Conversation, ...]],
    modality: Modality,
    vectors: Vectors,
    *,
    saw_labels: bool,
) -> FeatureTable:
    """One row an utterance, in order; those without a vector say that it is absent."""
    width = next(len(vector) for vector in vectors.values() if vector is not None)
    spec = FeatureSpec(
        modality=modality, extractor="published", dim=width, settings={"source": name}
    )
    return FeatureTable.of(spec, published_rows(splits, vectors, saw_labels=saw_labels))


def published_rows(
    splits: Mapping[Split, tuple[Conversation, ...]], vectors: Vectors, *, saw_labels: bool
) -> Iterator[FeatureRow]:
    """Rows of every utterance, in the order of the conversations."""
    for split, conversations in splits.items():
        for conversation in conversations:
            for utterance in conversation.utterances:
                vector = vectors.get((conversation.id, utterance.id))
                yield FeatureRow(
                    conversation=conversation.id,
                    utterance=utterance.id,
                    vector=None if vector is None else vector.astype(np.float32),
                    absent_because=ABSENT if vector is None else None,
                    saw_label=saw_labels and vector is not None and split != "test",
                )


def counts_table(
    prepared: PreparedCorpus, published: Mapping[Split, tuple[int, int]]
) -> list[CountRow]:
    """Counts of every split, beside the published (utterances, conversations)."""
    counts = prepared.counts()
    rows = []
    for split in prepared.splits:
        utterances, conversations = published.get(split, (None, None))
        rows.append(
            CountRow(
                split=split,
                utterances=counts[split]["utterances"],
                conversations=counts[split]["conversations"],
                published_utterances=utterances,
                published_conversations=conversations,
                labels=counts[split]["labels"],
            )
        )
    return rows
