"""JSON Lines manifests: a user's own corpus, one conversation per line.

A line has ``id``, ``split`` (train, valid or test), ``utterances`` and optionally ``media`` and
``media_start``; an utterance ``id``, ``speaker``, ``text`` and optionally ``start``, ``end``
(seconds of the conversation), ``label``, ``media``, ``media_start`` (the second at which its media
start), ``modality_labels`` ({modality: emotion shown by it alone}) and ``features`` ({modality:
[numbers] or null}). Null is the same as omitting a field.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES, SPLITS, Conversation, Modality, Split, Utterance
from mmerc.corpora.base import CorpusReader, RawCorpus, Vectors
from mmerc.corpora.error_location import inside
from mmerc.corpora.records import ConversationRecord, UtteranceRecord, read_records
from mmerc.errors import InputError
from mmerc.files import read_json, read_text
from mmerc.labels import LABEL_SETS, LabelSet, infer_label_set
from mmerc.media.line_remarks import enumerate_some
from mmerc.media.similar_names import similar_name_remarks
from mmerc.media.speaker_turns import speaker_or_unknown
from mmerc.names import tidy_name

_Order = Literal["given", "start"]
_Vector = NDArray[np.float32]


class ManifestReader(CorpusReader):
    """Your own corpus as JSON Lines."""

    name = "manifest"
    summary = "Your own corpus: JSON Lines, one conversation per line"
    source = "JSON Lines, one conversation per line."

    def read(
        self, source: Path, *, labels: LabelSet | str | Path | None = None, order: _Order = "given"
    ) -> RawCorpus:
        """Read the manifest; see ``read_manifest``."""
        return read_manifest(source, labels=labels, order=order)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlabelledManifest:
    """Conversations for prediction, with vectors by modality and remarks."""

    conversations: tuple[Conversation, ...]
    features: Mapping[Modality, Vectors]
    remarks: tuple[str, ...]


def read_manifest(
    file: str | Path, *, labels: LabelSet | str | Path | None = None, order: _Order = "given"
) -> RawCorpus:
    """Read a manifest of labelled conversations, each with its split.

    ``labels``: a label set, its name (meld, iemocap, iemocap4, mosi), or a file for
    ``_read_label_file``; by default the labels that occur, sorted. Utterances may overlap.
    ``order``: keep utterances as given, or sort them by start.

    InputError states line and field.
    """
    file = Path(file)
    if isinstance(labels, str | Path):
        labels = LABEL_SETS.get(str(labels)) or _read_label_file(Path(labels))
    records = list(_read_checked(file, require_split=True))
    remarks = (*_order_remarks(records, order), *_name_remarks(file, records))
    if order == "start":
        records = [_sort_by_start(record) for record in records]
    with inside(file):
        names = [label for r in records for item in r.utterances for label in _list_labels(item)]
        labels = infer_label_set(names) if labels is None else labels
    conversations = build_conversations(file, records, labels)
    splits: dict[Split, list[Conversation]] = {}
    for record, conversation in zip(records, conversations, strict=True):
        if record.split is not None:  # checked above
            splits.setdefault(record.split, []).append(conversation)
    return RawCorpus(
        name=file.stem,
        labels=labels,
        splits={split: tuple(splits[split]) for split in SPLITS if split in splits},
        features=collect_vectors(file, records),
        remarks=remarks,
    )


def read_unlabelled_manifest(file: str | Path) -> UnlabelledManifest:
    """Read a manifest for prediction, without required split, speaker or labels."""
    file = Path(file)
    records = list(_read_checked(file, require_split=False))
    return UnlabelledManifest(
        conversations=build_conversations(file, records, None),
        features=collect_vectors(file, records),
        remarks=(*_order_remarks(records, "given"), *_name_remarks(file, records)),
    )


def _list_labels(record: UtteranceRecord) -> tuple[str | None, ...]:
    """List all labels of an utterance, including modality labels and soft labels."""
    return (record.label, *record.modality_labels.values(), *record.soft_labels)


def _read_label_file(file: str | Path) -> LabelSet:
    """Read a label set from JSON (``.json``), or plain text with one label per line."""
    file = Path(file)
    with inside(file):
        if file.suffix == ".json":
            return LabelSet.from_json(read_json(file))
        lines = (line.strip() for line in read_text(file).split("\n"))
        return LabelSet(file.stem, tuple(line for line in lines if line))


def _read_checked(file: Path, *, require_split: bool) -> Iterator[ConversationRecord]:
    """Yield records; checks for unique ids and plausible times."""
    lines: dict[str, int] = {}
    for number, record in read_records(file):
        with inside(f"{file}, line {number}, conversation {record.id!r}"):
            if record.id in lines:
                problem = f"the same conversation id is in line {lines[record.id]}"
                raise InputError("field 'id'", problem, "give every conversation its own id")
            if require_split:
                _check_trainable(record)
            check_times(record.utterances)
            _check_media_start(record)
        lines[record.id] = number
        yield record


def _check_trainable(record: ConversationRecord) -> None:
    """Refuse a conversation without split, or an utterance without speaker."""
    if record.split is None:
        raise InputError("field 'split'", "it is missing", f"write one of {', '.join(SPLITS)}")
    for utterance in record.utterances:
        if utterance.speaker is None or not tidy_name(utterance.speaker):
            where = f"utterance {utterance.id!r}, field 'speaker'"
            raise InputError(where, "it is missing", "name the speaker")


def check_times(utterances: Sequence[UtteranceRecord]) -> None:
    """Refuse an end before the start, or before the start of the media."""
    for utterance in utterances:
        where = f"utterance {utterance.id!r}"
        start, end, media_start = utterance.start, utterance.end, utterance.media_start
        if start is not None and end is not None and end < start:
            problem = f"it ends at {end} s, before it starts at {start} s"
            raise InputError(where, problem, "fix the times or leave them out")
        if media_start is not None and utterance.media is None:
            raise InputError(where, "it has media_start, but no media", "name its media file")
        if media_start is not None and end is not None and end <= media_start:
            problem = f"it ends at {end} s, before its media start at {media_start} s"
            raise InputError(where, problem, "give both in seconds of the conversation")


def _check_media_start(record: ConversationRecord) -> None:
    """Refuse ``media_start`` without ``media``."""
    if record.media_start is not None and record.media is None:
        raise InputError("field 'media_start'", "there is no media", "name the media file")


def _order_remarks(records: Sequence[ConversationRecord], order: _Order) -> tuple[str, ...]:
    """Remark on utterances that start before an earlier one, and on their order."""
    early = {record.id: _count_early_starts(record.utterances) for record in records}
    conversations = [name for name, count in early.items() if count]
    if not conversations:
        return ()
    action = "sorted by start" if order == "start" else "kept in the order given"
    return (
        f"Utterances that start before an earlier one: {sum(early.values())}, in "
        f"{enumerate_some(conversations)}; {action}.",
    )


def _name_remarks(file: Path, records: Sequence[ConversationRecord]) -> tuple[str, ...]:
    """Remark on similar names of speakers within a conversation, once for each kind."""
    remarks = (
        similar_name_remarks(file.name, (tidy_name(item.speaker or "") for item in r.utterances))
        for r in records
    )
    return tuple(dict.fromkeys(chain.from_iterable(remarks)))


def _count_early_starts(utterances: Sequence[UtteranceRecord]) -> int:
    """Count utterances that start before an earlier one of their conversation."""
    starts = [utterance.start for utterance in utterances if utterance.start is not None]
    return sum(start < latest for start, latest in zip(starts[1:], accumulate(starts, max)))  # noqa: B905


def _sort_by_start(record: ConversationRecord) -> ConversationRecord:
    """Sort utterances by start; one without times stays after its predecessor."""
    latest, keyed = 0.0, []
    for utterance in record.utterances:
        latest = latest if utterance.start is None else utterance.start
        keyed.append((latest, utterance))
    ordered = [utterance for _, utterance in sorted(keyed, key=lambda pair: pair[0])]
    return record.model_copy(update={"utterances": ordered})


def build_conversations(
    file: Path, records: Sequence[ConversationRecord], labels: LabelSet | None
) -> tuple[Conversation, ...]:
    """Build the conversations; check labels against a label set, if given."""
    conversations = []
    for record in records:
        with inside(f"{file}, conversation {record.id!r}"):
            utterances = tuple(_build_utterance(item, labels) for item in record.utterances)
        with inside(file):
            conversations.append(
                Conversation(
                    id=record.id,
                    utterances=utterances,
                    media=record.media,
                    media_start=record.media_start,
                )
            )
    return tuple(conversations)


def _build_utterance(record: UtteranceRecord, labels: LabelSet | None) -> Utterance:
    """Build the utterance of one record."""
    if labels is not None:
        with inside(f"utterance {record.id!r}"):
            for label in _list_labels(record):
                labels.index(label)
    return Utterance(
        id=record.id,
        speaker=speaker_or_unknown(record.speaker),
        text=record.text,
        start=record.start,
        end=record.end,
        media=record.media,
        media_start=record.media_start,
        label=record.label,
        modality_labels=record.modality_labels,
        soft_labels=record.soft_labels,
    )


def collect_vectors(file: Path, records: Sequence[ConversationRecord]) -> dict[Modality, Vectors]:
    """Collect the vectors of every modality; checks for equal widths."""
    features: dict[Modality, dict[tuple[str, str], _Vector | None]] = {}
    widths: dict[Modality, tuple[str, int]] = {}
    for record in records:
        for utterance in record.utterances:
            where = f"conversation {record.id!r}, utterance {utterance.id!r}"
            for modality, numbers in utterance.features.items():
                vectors = features.setdefault(modality, {})
                vectors[record.id, utterance.id] = _to_vector(numbers)
                if numbers is not None:
                    first = widths.setdefault(modality, (where, len(numbers)))
                    _check_width(file, modality, first, (where, len(numbers)))
    return {modality: features[modality] for modality in MODALITIES if modality in features}


def _to_vector(numbers: list[float] | None) -> _Vector | None:
    """Convert numbers to float32 [D]; None for null."""
    with np.errstate(over="ignore"):  # overflow gives infinity, which is refused later
        return None if numbers is None else np.asarray(numbers, dtype=np.float32)


def _check_width(
    file: Path, modality: Modality, first: tuple[str, int], this: tuple[str, int]
) -> None:
    """Refuse a vector with another width than the first one of its modality."""
    if this[1] != first[1]:
        where = f"{file}, {this[0]}"
        problem = f"its {modality} vector has {this[1]} numbers, that of {first[0]} has {first[1]}"
        raise InputError(where, problem, "give every vector of a modality the same width")
