"""CSV files with one utterance per row, grouped into conversations."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NotRequired, TypedDict

from mmerc.conversation import Conversation, Modality, Utterance
from mmerc.corpora.csv_rows import read_rows, refusing_bad_csv
from mmerc.corpora.encoded_text import read_encoded_text
from mmerc.corpora.error_location import inside
from mmerc.errors import InputError
from mmerc.labels import LabelSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Names of the columns; ``others`` are used only by the corpus's reader."""

    dialogue: str
    utterance: str
    speaker: str
    emotion: str
    text: str
    others: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        needed = (self.dialogue, self.utterance, self.speaker, self.emotion, self.text)
        return (*needed, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row, its last line number in the file, and its dialogue and utterance numbers."""

    line: int
    values: Mapping[str, str]
    dialogue: int
    utterance: int


class Details(TypedDict):
    """Fields of an utterance added by a corpus's reader."""

    start: float | None
    end: float | None
    media: str | None
    modality_labels: NotRequired[Mapping[Modality, str]]


def read_dialogues(
    file: Path,
    *,
    split_name: str,
    columns: Columns,
    labels: LabelSet,
    details: Callable[[TableRow], Details],
    encoding: str | None = None,
) -> tuple[tuple[Conversation, ...], str | None]:
    """Read a CSV file into conversations ``SPLIT_diaN`` of utterances ``uttN``.

    The default ``encoding`` is UTF-8, else Windows-1252; the second value is a remark on it.

    InputError for a missing column, a row with another width, an unknown emotion, and an utterance
    number that does not increase within its dialogue.
    """
    dialogues: dict[int, list[TableRow]] = {}
    text, remark = read_encoded_text(file, encoding)
    with inside(file):
        for row in _read_rows(text, columns):
            rows = dialogues.setdefault(row.dialogue, [])
            _check_order(row, rows)
            rows.append(row)
        if not dialogues:
            raise InputError("line 2", "no utterance follows the header", "use a complete file")
        conversations = tuple(
            Conversation(
                id=f"{split_name}_dia{number}",
                utterances=tuple(_read_utterance(row, columns, labels, details) for row in rows),
            )
            for number, rows in dialogues.items()
        )
    return conversations, remark


def _read_rows(text: str, columns: Columns) -> Iterator[TableRow]:
    """Yield the rows of a CSV text, with checked width and numbers."""
    reader = csv.DictReader(io.StringIO(text), strict=True)
    with refusing_bad_csv(reader):
        header = list(reader.fieldnames or ())
    missing = [name for name in columns.names if name not in header]
    if missing:
        problem = f"no column {missing[0]!r} (its columns: {header})"
        raise InputError("line 1", problem, "use the file as it was published")
    for line, values in read_rows(reader):
        with inside(f"line {line}"):
            dialogue, utterance = (
                _parse_number(name, values[name]) for name in (columns.dialogue, columns.utterance)
            )
        yield TableRow(line=line, values=values, dialogue=dialogue, utterance=utterance)


def _parse_number(column: str, value: str) -> int:
    """Parse a dialogue or utterance number."""
    if not value.isdecimal():
        raise InputError(column, f"{value!r} is not a whole number", "number it from 0")
    return int(value)


def _check_order(row: TableRow, before: list[TableRow]) -> None:
    """Refuse an utterance number that does not increase within its dialogue."""
    if not before or row.utterance > before[-1].utterance:
        return
    where = f"line {row.line}, dialogue {row.dialogue}, utterance {row.utterance}"
    for earlier in before:
        if earlier.utterance == row.utterance:
            problem = f"the same utterance is in line {earlier.line}"
            raise InputError(where, problem, "give every utterance its own number")
    problem = f"it follows utterance {before[-1].utterance}, out of order"
    raise InputError(where, problem, "sort the rows of a dialogue by utterance number")


def _read_utterance(
    row: TableRow, columns: Columns, labels: LabelSet, details: Callable[[TableRow], Details]
) -> Utterance:
    """Build the utterance of one row."""
    label = row.values[columns.emotion]
    with inside(f"line {row.line}"):
        labels.index(label)
        return Utterance(
            id=f"utt{row.utterance}",
            speaker=row.values[columns.speaker],
            text=row.values[columns.text],
            label=label,
            **details(row),
        )
