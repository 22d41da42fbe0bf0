"""JSON Lines manifests: anybody's corpus, one conversation a line.

A line holds ``id``, ``split`` (train, valid or test), ``utterances`` and optionally ``media``; an
utterance ``id``, ``speaker``, ``text`` and optionally ``start``, ``end`` (seconds), ``label``,
``media`` and ``features`` ({modality: [numbers] or null}). Null means the same as leaving out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES, SPLITS, Conversation, Modality, Split, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus
from mmerc.corpora.error_location import inside
from mmerc.corpora.records import ConversationRecord, UtteranceRecord, read_records
from mmerc.errors import InputError
from mmerc.files import read_json, read_text
from mmerc.labels import LABEL_SETS, LabelSet, infer_label_set

UNKNOWN_SPEAKER = "unknown"
Vector = NDArray[np.float32]
Vectors = dict[tuple[str, str], Vector | None]


class ManifestReader(CorpusReader):
    """Your own corpus as JSON Lines."""

    name = "manifest"
    summary = "Your own corpus: JSON Lines, one conversation per line"
    source = "JSON Lines, one conversation per line."

    def read(self, source: Path, *, labels: LabelSet | str | Path | None = None) -> RawCorpus:
        """Read the manifest; see ``read_manifest``."""
        return read_manifest(source, labels=labels)


def read_manifest(file: str | Path, *, labels: LabelSet | str | Path | None = None) -> RawCorpus:
    """Read a manifest of labelled conversations, each with its split.

    ``labels``: a label set, the name of one (meld, iemocap, iemocap4, mosi), or a file as
    ``read_label_file`` reads it; by default the labels that occur, sorted.

    InputError names the line and the field.
    """
    file = Path(file)
    if isinstance(labels, str | Path):
        labels = LABEL_SETS.get(str(labels)) or read_label_file(Path(labels))
    records = list(read_checked(file, require_split=True))
    with inside(file):
        found = [utterance.label for record in records for utterance in record.utterances]
        labels = infer_label_set(found) if labels is None else labels
    conversations = conversations_of(file, records, labels)
    splits: dict[Split, list[Conversation]] = {}
    for record, conversation in zip(records, conversations, strict=True):
        if record.split is not None:  # checked above
            splits.setdefault(record.split, []).append(conversation)
    return RawCorpus(
        name=file.stem,
        labels=labels,
        splits={split: tuple(splits[split]) for split in SPLITS if split in splits},
        features=features_of(file, records),
    )


def read_conversations(
    file: Path,
) -> tuple[tuple[Conversation, ...], dict[Modality, Vectors]]:
    """Conversations and vectors for prediction, where split, speaker and labels do not matter."""
    records = list(read_checked(file, require_split=False))
    return conversations_of(file, records, None), features_of(file, records)


def read_label_file(file: Path) -> LabelSet:
    """Read a label set as JSON (``.json``), or plain text with one label a line, in order."""
    with inside(file):
        if file.suffix == ".json":
            return LabelSet.from_json(read_json(file))
        lines = (line.strip() for line in read_text(file).split("\n"))
        return LabelSet(file.stem, tuple(line for line in lines if line))


def read_checked(file: Path, *, require_split: bool) -> Iterator[ConversationRecord]:
    """Records whose ids occur once and whose utterances stand in order."""
    lines: dict[str, int] = {}
    for number, record in read_records(file):
        with inside(f"{file}, line {number}, conversation {record.id!r}"):
            if record.id in lines:
                problem = f"the same conversation id stands in line {lines[record.id]}"
                raise InputError("field 'id'", problem, "give every conversation an id of its own")
            if require_split:
                check_trainable(record)
            check_times(record.utterances)
        lines[record.id] = number
        yield record


def check_trainable(record: ConversationRecord) -> None:
    """Refuse a conversation without a split or with an utterance of nobody."""
    if record.split is None:
        raise InputError("field 'split'", "it is missing", f"write one of {', '.join(SPLITS)}")
    for utterance in record.utterances:
        if utterance.speaker is None:
            where = f"utterance {utterance.id!r}, field 'speaker'"
            raise InputError(where, "it is missing", "name the speaker")


def check_times(utterances: Sequence[UtteranceRecord]) -> None:
    """Refuse an end before its start, and a start before an earlier utterance's start."""
    latest = 0.0
    for utterance in utterances:
        where = f"utterance {utterance.id!r}"
        if utterance.start is None:
            continue
        if utterance.end is not None and utterance.end < utterance.start:
            problem = f"it ends at {utterance.end} s, before it starts at {utterance.start} s"
            raise InputError(where, problem, "fix the times or leave them out")
        if utterance.start < latest:
            problem = f"it starts at {utterance.start} s, before an earlier one ({latest} s)"
            raise InputError(where, problem, "put the utterances into their order in time")
        latest = utterance.start


def conversations_of(
    file: Path, records: Sequence[ConversationRecord], labels: LabelSet | None
) -> tuple[Conversation, ...]:
    """Conversations of the records, their labels checked where a label set is given."""
    conversations = []
    for record in records:
        with inside(f"{file}, conversation {record.id!r}"):
            utterances = tuple(utterance_of(item, labels) for item in record.utterances)
        with inside(file):
            conversations.append(
                Conversation(id=record.id, utterances=utterances, media=record.media)
            )
    return tuple(conversations)


def utterance_of(record: UtteranceRecord, labels: LabelSet | None) -> Utterance:
    """The utterance of one record."""
    if labels is not None:
        with inside(f"utterance {record.id!r}"):
            labels.index(record.label)
    return Utterance(
        id=record.id,
        speaker=record.speaker or UNKNOWN_SPEAKER,
        text=record.text,
        start=record.start,
        end=record.end,
        media=record.media,
        label=record.label,
    )


def features_of(file: Path, records: Sequence[ConversationRecord]) -> dict[Modality, Vectors]:
    """Vectors of every modality that any utterance names, of one width each."""
    features: dict[Modality, Vectors] = {}
    widths: dict[Modality, tuple[str, int]] = {}
    for record in records:
        for utterance in record.utterances:
            where = f"conversation {record.id!r}, utterance {utterance.id!r}"
            for modality, numbers in utterance.features.items():
                vectors = features.setdefault(modality, {})
                vectors[record.id, utterance.id] = vector_of(numbers)
                if numbers is not None:
                    first = widths.setdefault(modality, (where, len(numbers)))
                    check_width(file, modality, first, (where, len(numbers)))
    return {modality: features[modality] for modality in MODALITIES if modality in features}


def vector_of(numbers: list[float] | None) -> Vector | None:
    """Numbers as float32 [D], or None for null."""
    with np.errstate(over="ignore"):  # what does not fit becomes infinite, and is refused as such
        return None if numbers is None else np.asarray(numbers, dtype=np.float32)


def check_width(
    file: Path, modality: Modality, first: tuple[str, int], this: tuple[str, int]
) -> None:
    """Refuse a vector that is wider or narrower than the first of its modality."""
    if this[1] != first[1]:
        where = f"{file}, {this[0]}"
        problem = f"its {modality} vector has {this[1]} numbers, that of {first[0]} has {first[1]}"
        raise InputError(where, problem, "give every vector of a modality the same width")
