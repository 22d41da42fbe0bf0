"""The prepared corpus: one folder with everything needed for training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from mmerc.conversation import MODALITIES, SPLITS, Conversation, Modality, Split, Utterance
from mmerc.corpora.registry import reader_of_corpus
from mmerc.data.sounds import Sounds
from mmerc.errors import InputError
from mmerc.features.store import FeatureStore, FeatureTable
from mmerc.files import atomic_directory, fingerprint, read_json, write_json
from mmerc.labels import LabelSet, label_source

_FORMAT = 1
_SCHEMA = pa.schema(
    [
        ("conversation", pa.string()),
        ("split", pa.string()),
        ("utterance", pa.string()),
        ("speaker", pa.string()),
        ("text", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("media", pa.string()),
        ("label", pa.string()),
        ("conversation_media", pa.string()),
        ("media_start", pa.float64()),
        ("conversation_media_start", pa.float64()),
        *((f"{modality}_label", pa.string()) for modality in MODALITIES),
        ("soft_labels", pa.map_(pa.string(), pa.float64())),
    ]
)


@dataclass(frozen=True, kw_only=True)
class PreparedCorpus:
    """Conversations by split, their label set, and the vectors of each modality.

    ``labels_of`` names the corpus that the labels come from, if it is another one; ``reader`` the
    corpus reader (None if the corpus was prepared before that was recorded). ``published`` maps a
    split to the utterance and conversation counts of the corpus's authors, and ``remarks`` are the
    reader's remarks, one sentence each. ``sounds``, by conversation and utterance, are the clips
    for models that read waveforms; they stay outside of the folder, and ``save`` ignores them.
    """

    name: str
    labels: LabelSet
    splits: Mapping[Split, tuple[Conversation, ...]]
    features: Mapping[Modality, FeatureTable]
    labels_of: str | None = None
    reader: str | None = None
    published: Mapping[Split, tuple[int, int]] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    sounds: Sounds = field(default_factory=dict)

    @property
    def label_source(self) -> str:
        """The corpus of the labels; a model trained on it has seen them."""
        return label_source(self.name, self.labels_of)

    @property
    def terms(self) -> str | None:
        """The corpus's contents and licence terms; None if unknown."""
        return reader_of_corpus(self.name, self.reader).corpus_terms(self.name)

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of the conversations with their labels, and of each modality's vectors.

        Sounds, if any, are identified by their files' names and sizes.
        """
        conversations = {"labels": list(self.labels), "rows": _utterance_rows(self.splits)}
        known = {"conversations": fingerprint(conversations)} | {
            modality: table.content_fingerprint for modality, table in self.features.items()
        }
        return known | ({"sounds": fingerprint(sound_sizes(self.sounds))} if self.sounds else {})

    def counts(self) -> dict[str, dict[str, Any]]:
        """Count conversations, utterances, and utterances per label, for each split."""
        return {
            split: {
                "conversations": len(conversations),
                "utterances": sum(len(conversation) for conversation in conversations),
                "labels": _label_counts(conversations, self.labels),
            }
            for split, conversations in self.splits.items()
        }

    def save(self, directory: str | Path, *, overwrite: bool = False) -> None:
        """Write the folder atomically."""
        with atomic_directory(Path(directory), overwrite=overwrite) as folder:
            rows = _utterance_rows(self.splits)
            pq.write_table(pa.Table.from_pylist(rows, _SCHEMA), folder / "utterances.parquet")
            for table in self.features.values():
                store = FeatureStore.create(folder / "features", table.spec)
                store.append(list(table.rows.values()))
            write_json(folder / "corpus.json", self.description())

    def description(self) -> dict[str, Any]:
        """The content of ``corpus.json``."""
        return {
            "format": _FORMAT,
            "name": self.name,
            "labels": self.labels.to_json(),
            "labels_of": self.labels_of,
            "reader": self.reader,
            "published": {split: list(counts) for split, counts in self.published.items()},
            "remarks": list(self.remarks),
            "features": {name: table.spec.folder for name, table in self.features.items()},
            "counts": self.counts(),
            "fingerprints": {k: v for k, v in self.fingerprints.items() if k != "sounds"},
        }

    @classmethod
    def load(cls, directory: str | Path) -> PreparedCorpus:
        """Read a folder written by ``save``; InputError if it is invalid or was changed."""
        directory = Path(directory)
        description = _read_description(directory)
        table = _read_utterances(directory / "utterances.parquet")
        stores = description["features"]
        corpus = cls(
            name=str(description["name"]),
            labels=LabelSet.from_json(description["labels"]),
            labels_of=description.get("labels_of"),
            reader=description.get("reader"),
            published={
                split: tuple(counts) for split, counts in description.get("published", {}).items()
            },
            remarks=tuple(description.get("remarks", ())),
            splits=_group_conversations(table),
            features={
                name: FeatureStore.open(directory / "features" / stores[name]).read()
                for name in MODALITIES
                if name in stores
            },
        )
        if corpus.fingerprints != description["fingerprints"]:
            problem = "its files no longer match the fingerprints in corpus.json"
            raise InputError(directory, problem, "prepare the corpus again")
        return corpus


def sound_sizes(sounds: Sounds) -> list[tuple[str, str, str, int | None]]:
    """List each utterance with name and size (bytes, None if missing) of its sound file."""
    bytes_of = {
        clip.path: clip.path.stat().st_size if clip.path.is_file() else None
        for clip in sounds.values()
    }
    return [(*key, clip.path.name, bytes_of[clip.path]) for key, clip in sounds.items()]


def _label_counts(conversations: tuple[Conversation, ...], labels: LabelSet) -> dict[str, int]:
    """Count the utterances of each label, in label order."""
    counted = Counter(utterance.label for item in conversations for utterance in item.utterances)
    return {label: counted[label] for label in labels}


def _utterance_rows(splits: Mapping[Split, tuple[Conversation, ...]]) -> list[dict[str, Any]]:
    """Return a row per utterance: splits in fixed order, times as floats.

    This makes the fingerprint independent of saving and loading. Without ``media_start``, modality
    labels and soft labels, it equals that of earlier versions.
    """
    return [
        {
            "conversation": conversation.id,
            "split": split,
            "utterance": utterance.id,
            "speaker": utterance.speaker,
            "text": utterance.text,
            "start": None if utterance.start is None else float(utterance.start),
            "end": None if utterance.end is None else float(utterance.end),
            "media": utterance.media,
            "label": utterance.label,
            "conversation_media": conversation.media,
            **_media_starts(conversation, utterance),
            **{f"{m}_label": label for m, label in sorted(utterance.modality_labels.items())},
            **({"soft_labels": dict(utterance.soft_labels)} if utterance.soft_labels else {}),
        }
        for split in SPLITS
        for conversation in splits.get(split, ())
        for utterance in conversation.utterances
    ]


def _media_starts(conversation: Conversation, utterance: Utterance) -> dict[str, float]:
    """Return the starts of media as columns; empty if they start with the conversation."""
    columns = {
        "media_start": utterance.media_start,
        "conversation_media_start": conversation.media_start,
    }
    return {name: float(start) for name, start in columns.items() if start is not None}


def _read_utterances(path: Path) -> list[dict[str, Any]]:
    """Read the rows of ``utterances.parquet``."""
    try:
        rows: list[dict[str, Any]] = pq.read_table(path, schema=_SCHEMA).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise InputError(path, "missing or truncated", "prepare the corpus again") from error
    return rows


def _group_conversations(rows: list[dict[str, Any]]) -> dict[Split, tuple[Conversation, ...]]:
    """Group rows back into conversations by split."""
    grouped: dict[Split, dict[str, list[dict[str, Any]]]] = {}
    for row in rows:
        grouped.setdefault(row["split"], {}).setdefault(row["conversation"], []).append(row)
    return {
        split: tuple(_build_conversation(name, group) for name, group in grouped[split].items())
        for split in SPLITS
        if split in grouped
    }


def _build_conversation(name: str, rows: list[dict[str, Any]]) -> Conversation:
    """Build one conversation from its rows."""
    fields = ("speaker", "text", "start", "end", "media", "media_start", "label")
    utterances = tuple(
        Utterance(
            id=row["utterance"],
            modality_labels={m: row[f"{m}_label"] for m in MODALITIES if row[f"{m}_label"]},
            soft_labels=dict(row["soft_labels"] or ()),
            **{field: row[field] for field in fields},
        )
        for row in rows
    )
    return Conversation(
        id=name,
        utterances=utterances,
        media=rows[0]["conversation_media"],
        media_start=rows[0]["conversation_media_start"],
    )


def _read_description(directory: Path) -> dict[str, Any]:
    """Read ``corpus.json`` and check its format."""
    path = directory / "corpus.json"
    if not path.is_file():
        raise InputError(directory, "not a prepared corpus", "make one with `mmerc prepare`")
    value = read_json(path)
    keys = {"format", "name", "labels", "features", "fingerprints"}
    if not isinstance(value, dict) or not keys <= value.keys() or value["format"] != _FORMAT:
        raise InputError(path, "not a prepared corpus of this version", "prepare the corpus again")
    return value
