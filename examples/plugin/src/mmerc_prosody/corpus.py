"""A corpus of one CSV file per conversation, in the folders train, valid and test."""

from __future__ import annotations

import csv
from pathlib import Path

from mmerc import Conversation, InputError, LabelSet, Utterance
from mmerc.conversation import SPLITS
from mmerc.corpora.base import CorpusReader, RawCorpus

NEEDED = ("speaker", "text", "emotion")


class CsvFolderReader(CorpusReader):
    """CSV files with the columns speaker, text and emotion, and optionally start, end and media.

    Media are files in the folder that ``--media`` names; mmerc finds them by itself.
    """

    name = "csv-folder"
    summary = "A folder of CSV files, one per conversation"
    source = "Folder with the folders train, valid and test."

    def read(self, source: Path, *, delimiter: str = ",") -> RawCorpus:
        """Read the files; ``delimiter`` is an option of `mmerc prepare csv-folder`."""
        splits = {
            split: tuple(
                read_conversation(file, delimiter)
                for file in sorted((source / split).glob("*.csv"))
            )
            for split in SPLITS
        }
        if not any(splits.values()):
            raise InputError(source, "no CSV file in train, valid or test", "check the path")
        labels = {
            utterance.label
            for conversations in splits.values()
            for conversation in conversations
            for utterance in conversation.utterances
        }
        names = tuple(sorted(label for label in labels if label))
        return RawCorpus(name=source.name, labels=LabelSet("custom", names), splits=splits)


def read_conversation(file: Path, delimiter: str) -> Conversation:
    """Read one file; InputError if a column is missing or a row has a field too few."""
    with open(file, encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter=delimiter))
    for column in NEEDED:
        if any(row.get(column) is None for row in rows):
            raise InputError(file, f"no column {column!r}", "check the header and --delimiter")
    return Conversation(
        id=file.stem,
        utterances=tuple(
            Utterance(
                id=str(number),
                speaker=row["speaker"],
                text=row["text"],
                start=read_seconds(row.get("start")),
                end=read_seconds(row.get("end")),
                media=row.get("media") or None,
                label=row["emotion"] or None,
            )
            for number, row in enumerate(rows, start=1)
        ),
    )


def read_seconds(text: str | None) -> float | None:
    """Seconds, or None for an empty field."""
    return float(text) if text else None
