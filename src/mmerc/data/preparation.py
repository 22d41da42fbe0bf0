"""Prepare a corpus: read the raw files, write the prepared folder, compare its counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmerc.conversation import SPLITS, Conversation, Modality, Split
from mmerc.corpora.base import CorpusReader, RawCorpus, Vectors
from mmerc.corpora.error_location import inside
from mmerc.corpora.registry import corpus_reader, reader_options
from mmerc.data.corpus import PreparedCorpus
from mmerc.errors import InputError, UsageError
from mmerc.features.store import FeatureRow, FeatureSpec, FeatureTable

_ABSENT = "the corpus was published without it"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountRow:
    """Counts of one split; published counts are None if unknown."""

    split: Split
    utterances: int
    conversations: int
    published_utterances: int | None
    published_conversations: int | None
    labels: Mapping[str, int]


def prepare_corpus(
    reader: str, source: str | Path, out: str | Path, *, overwrite: bool = False, **options: Any
) -> PreparedCorpus:
    """Read the raw corpus in ``source`` and write it to the folder ``out``, like `mmerc prepare`.

    ``reader``: "meld", "iemocap", "mosi", "composed", "goemotions", "manifest", "feature-pickle",
    or the name of a plug-in's reader. ``options`` depend on the reader: ``classes`` and ``split``
    of IEMOCAP, ``labels`` and ``order`` of a manifest. ``remarks`` of the result are the reader's.

    UsageError for an unknown reader or option; InputError if a file is missing or malformed, or
    ``out`` is not empty and ``overwrite`` is false.
    """
    corpus = corpus_reader(reader)
    _check_options(corpus, options)
    raw = corpus.read(Path(source), **options)
    return _write_corpus(raw, Path(out), reader=reader, overwrite=overwrite)


def _check_options(reader: CorpusReader, options: Mapping[str, Any]) -> None:
    """UsageError for an unknown or a missing option of the reader."""
    parameters = reader_options(reader)
    unknown = [name for name in options if name not in parameters]
    missing = [n for n, p in parameters.items() if p.default is p.empty and n not in options]
    if unknown:
        known = f"choose from {', '.join(parameters)}" if parameters else "it has none"
        raise UsageError(
            f"The corpus reader {reader.name!r} has no option {unknown[0]!r}; {known}."
        )
    if missing:
        raise UsageError(f"The corpus reader {reader.name!r} needs the option {missing[0]!r}.")


def _write_corpus(
    raw: RawCorpus, out: Path, *, reader: str | None = None, overwrite: bool = False
) -> PreparedCorpus:
    """Write ``raw`` and its published vectors to the folder ``out``; return the corpus.

    InputError for a corpus without conversations, a bad vector, or a folder that is not empty.
    """
    splits = {split: raw.splits[split] for split in SPLITS if raw.splits.get(split)}
    if not splits:
        raise InputError(f"corpus {raw.name!r}", "it contains no conversation", "read another one")
    with inside(f"corpus {raw.name!r}"):
        features = published_tables(raw.name, splits, raw.features, saw_labels=raw.saw_labels)
    prepared = PreparedCorpus(
        name=raw.name,
        labels=raw.labels,
        labels_of=raw.labels_of,
        reader=reader,
        published=raw.published,
        remarks=raw.remarks,
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
    """Build a table for every modality with vectors."""
    return {
        modality: _published_table(
            name, splits, modality, vectors, saw_labels=modality in saw_labels
        )
        for modality, vectors in features.items()
        if any(vector is not None for vector in vectors.values())
    }


def _published_table(
    name: str,
    splits: Mapping[Split, tuple[Conversation, ...]],
    modality: Modality,
    vectors: Vectors,
    *,
    saw_labels: bool,
) -> FeatureTable:
    """Build a table with a row per utterance, absent if there is no vector."""
    width = next(len(vector) for vector in vectors.values() if vector is not None)
    spec = FeatureSpec(
        modality=modality, extractor="published", dim=width, settings={"source": name}
    )
    return FeatureTable.of(spec, _published_rows(splits, vectors, saw_labels=saw_labels))


def _published_rows(
    splits: Mapping[Split, tuple[Conversation, ...]], vectors: Vectors, *, saw_labels: bool
) -> Iterator[FeatureRow]:
    """Yield the rows of all utterances, in order of the conversations."""
    for split, conversations in splits.items():
        for conversation in conversations:
            for utterance in conversation.utterances:
                vector = vectors.get((conversation.id, utterance.id))
                yield FeatureRow(
                    conversation=conversation.id,
                    utterance=utterance.id,
                    vector=None if vector is None else vector.astype(np.float32),
                    absent_because=_ABSENT if vector is None else None,
                    saw_label=saw_labels and vector is not None and split != "test",
                )


def counts_table(prepared: PreparedCorpus) -> list[CountRow]:
    """Compare the counts of every split with the published ones."""
    counts = prepared.counts()
    rows = []
    for split in prepared.splits:
        utterances, conversations = prepared.published.get(split, (None, None))
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
