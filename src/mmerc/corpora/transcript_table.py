"""Read transcripts as tables (CSV, TSV): one utterance per row. Columns: docs/formats.md."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmerc.conversation import Conversation, Utterance
from mmerc.corpora.csv_rows import read_rows
from mmerc.corpora.error_location import inside
from mmerc.corpora.transcript_file import EARLIER_START, TranscriptFile
from mmerc.errors import InputError
from mmerc.media.cue_times import parse_stamp
from mmerc.media.line_remarks import LineRemarks
from mmerc.media.speaker_turns import UNKNOWN_SPEAKER, speaker_or_unknown
from mmerc.media.text_files import read_small_text

_NAMES: Mapping[str, tuple[str, ...]] = {  # column names; the first existing one is used
    "text": ("text", "utterance", "transcript", "sentence", "words", "content"),
    "speaker": ("speaker", "speaker name", "name", "participant"),
    "start": ("start", "start time", "begin", "begin time", "from"),
    "end": ("end", "end time", "to"),
    "conversation": ("conversation", "dialogue", "dialog", "session"),
}
_SEPARATORS = (",", ";", "\t")
_STAMP = re.compile(r"\d{1,6}(?::\d{1,6}){1,3}(?:[.,]\d{1,9})?")
_NO_SPEAKER = "no speaker is named"
_UNREAD = "columns with other names are not read"


def read_transcript_table(file: Path) -> TranscriptFile:
    """Read a table with a header into conversations of utterances ``1``, ``2``, ....

    Conversations are named by their column; without it, all rows belong to ``STEM-1``.

    InputError for a table without a text column or with duplicate columns, a row without text or
    with another width, and an invalid time. Empty rows are skipped.
    """
    text, remarks = read_small_text(file), LineRemarks(file.name)
    rows: dict[str, list[Utterance]] = {}
    with inside(file):
        columns, reader = _open_table(text)
        _note_unread(reader.fieldnames or (), columns, remarks)
        for line, row in read_rows(reader):
            values = {name: cell.strip() for name, cell in row.items()}
            if not any(values.values()):
                continue
            with inside(f"line {line}"):
                name = values[columns["conversation"]] if "conversation" in columns else ""
                name = name or f"{file.stem}-1"
                utterances = rows.setdefault(name, [])
                utterances.append(_read_utterance(columns, values, str(len(utterances) + 1)))
            _note_doubts(line, utterances, remarks)
        if not rows:
            raise InputError("line 2", "no utterance follows the header", "use a complete file")
    conversations = (
        Conversation(id=name, utterances=tuple(utterances)) for name, utterances in rows.items()
    )
    return TranscriptFile.of(file, conversations, remarks.sentences())


def _open_table(text: str) -> tuple[dict[str, str], csv.DictReader[str]]:
    """Return the table's columns by role, and a reader of its rows."""
    for separator in _SEPARATORS:
        reader = csv.DictReader(io.StringIO(text), delimiter=separator, strict=True)
        header = _header(reader)
        columns = _find_columns(header)
        if "text" in columns:
            _check_once(header, columns)
            return columns, reader
    problem = "no column is called text (or utterance, transcript, sentence, words, content)"
    raise InputError("line 1", problem, "name the columns in the first line: speaker,text")


def _header(reader: csv.DictReader[str]) -> Sequence[str]:
    """Return the column names; none if the header is invalid CSV."""
    try:
        return reader.fieldnames or ()
    except csv.Error:
        return ()


def _find_columns(header: Sequence[str]) -> dict[str, str]:
    """Map each role to its column."""
    spelled = {" ".join(re.split(r"[\s_]+", name.strip().lower())): name for name in header}
    return {
        role: next(spelled[name] for name in names if name in spelled)
        for role, names in _NAMES.items()
        if any(name in spelled for name in names)
    }


def _note_unread(header: Sequence[str], columns: Mapping[str, str], remarks: LineRemarks) -> None:
    """Remark on unread columns if one may be a second one of a role, or a missing one."""
    unread = [name for name in header if name.strip() and name not in columns.values()]
    second = set(_find_columns(unread)) & columns.keys()
    if second or not {"speaker", "start"} <= columns.keys():
        for name in unread:
            remarks.add(1, _UNREAD, quote=name)


def _check_once(header: Sequence[str], columns: Mapping[str, str]) -> None:
    """InputError for duplicate column names, of which only the last would be read."""
    for column in columns.values():
        if header.count(column) > 1:
            fix = "rename one of them or remove it"
            raise InputError("line 1", f"two columns are called {column!r}", fix)


def _read_utterance(
    columns: Mapping[str, str], values: Mapping[str, str], number: str
) -> Utterance:
    """Build the utterance of one row."""
    cells = {role: values[column] for role, column in columns.items()}
    if not cells["text"]:
        raise InputError(f"column {columns['text']!r}", "no words", "add them or remove the row")
    start, end = (_read_seconds(cells.get(role, ""), role) for role in ("start", "end"))
    if start is not None and end is not None and end < start:
        problem = f"it ends at {cells['end']}, before it starts at {cells['start']}"
        raise InputError("times", problem, "fix the times or leave them out")
    return Utterance(
        id=number, text=cells["text"],
        speaker=speaker_or_unknown(cells.get("speaker")),
        start=start, end=end if start is not None else None,
    )  # fmt: skip


def _read_seconds(cell: str, role: str) -> float | None:
    """Convert ``62.5``, ``1:02`` or ``00:01:02.5`` to seconds; None for an empty cell."""
    if not cell:
        return None
    if _STAMP.fullmatch(cell):
        milliseconds = parse_stamp(cell)
        seconds = math.nan if milliseconds is None else milliseconds / 1000
    else:
        seconds = _parse_number(cell)
    if not (math.isfinite(seconds) and seconds >= 0):
        problem = f"{cell[:40]!r} is not a time"
        raise InputError(role, problem, "write seconds (62.5) or a time such as 00:01:02.5")
    return seconds


def _parse_number(cell: str) -> float:
    """Parse a number with a decimal point or comma; NaN for anything else."""
    return float(cell.replace(",", ".")) if re.fullmatch(r"\d+(?:[.,]\d+)?", cell) else math.nan


def _note_doubts(line: int, utterances: Sequence[Utterance], remarks: LineRemarks) -> None:
    """Remark on unnamed speakers and on starts before the previous one."""
    *before, newest = utterances
    if newest.speaker == UNKNOWN_SPEAKER:
        remarks.add(line, _NO_SPEAKER)
    earlier = before[-1].start if before else None
    if earlier is not None and newest.start is not None and newest.start < earlier:
        remarks.add(line, EARLIER_START)
