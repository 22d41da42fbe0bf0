"""The data of a study for the report: everything except the words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from mmerc.conversation import MODALITIES, Modality
from mmerc.errors import InputError
from mmerc.studies.sequences import (
    PROBABILITY,
    UTTERANCES_FILE,
    Floats,
    Ints,
    Sequences,
    read_columns,
    read_sequences,
)

_Truths = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyData:
    """A study's utterances, in order of ``sequences``, and its recordings.

    ``confidence`` is the probability of the predicted emotion, ``time`` the relative position in
    the recording (0 to 1) [N]. ``present`` and ``left_out`` are per modality [N], if known.
    ``factors``: the study's columns by name, with the value of every utterance, "" if missing [N].
    ``recordings``: rows of the table of recordings by name.
    """

    sequences: Sequences
    recording_names: tuple[str, ...]
    confidence: Floats
    time: Floats
    present: Mapping[Modality, _Truths]
    left_out: Mapping[Modality, _Truths]
    factors: Mapping[str, NDArray[np.str_]]
    recordings: Mapping[str, Mapping[str, Any]]
    failed: int

    @property
    def counts(self) -> Floats:
        """Count every recording's utterances by emotion. Shape: [R, K]."""
        return self.count_by(self.sequences.recording, self.sequences.recordings)

    def count_by(self, group: Ints, groups: int) -> Floats:
        """Count every group's utterances by emotion. Shape: group [N] -> [groups, K]."""
        size = (groups, len(self.sequences.labels))
        counts = np.zeros(size)
        np.add.at(counts, (group, self.sequences.emotion), 1.0)
        return counts


def read_study_data(study: str | Path) -> StudyData:
    """Read a study; InputError if its tables are missing or damaged."""
    sequences = read_sequences(study)
    if not len(sequences.row):
        fix = "analyse recordings with speech"
        raise InputError(Path(study) / UTTERANCES_FILE, "has no utterances", fix)
    probabilities = [PROBABILITY + name for name in sequences.labels]
    factors = ("condition", "group", "participant", "speaker")
    names_read = ["recording", "start", "end", *factors, *probabilities]
    names_read += [f"{kind}.{m}" for kind in ("present", "left_out") for m in MODALITIES]
    table = read_columns(study, names_read).take(pa.array(sequences.row))
    names = _recording_names(table, sequences)
    recordings = _read_recordings(Path(study))
    matrix = np.stack([_numbers(table[name]) for name in probabilities], axis=1)
    return StudyData(
        sequences=sequences,
        recording_names=names,
        confidence=np.nanmax(np.where(np.isnan(matrix), 0.0, matrix), axis=1),
        time=_relative_time(table, sequences, [recordings.get(name, {}) for name in names]),
        present=_read_flags(table, "present"),
        left_out=_read_flags(table, "left_out"),
        factors={name: _texts(table, name) for name in factors if name in table.column_names},
        recordings=recordings,
        failed=_count_failed(Path(study)),
    )


def _recording_names(table: pa.Table, sequences: Sequences) -> tuple[str, ...]:
    """Return the names of the recordings by number."""
    values = table["recording"].to_pylist()
    _, first = np.unique(sequences.recording, return_index=True)
    return tuple(str(values[row]) for row in first)


def _read_recordings(study: Path) -> dict[str, dict[str, Any]]:
    """Read the table of recordings by name; empty if there is none."""
    path = study / "recordings.parquet"
    if not path.is_file():
        return {}
    try:
        return {str(row["recording"]): row for row in pq.read_table(path).to_pylist()}
    except (OSError, KeyError, pa.ArrowException):
        return {}


def _count_failed(study: Path) -> int:
    """Count the failed recordings."""
    path = study / "failed.csv"
    if not path.is_file():
        return 0
    return max(0, path.read_text(encoding="utf-8", errors="replace").count("\n") - 1)


def _numbers(column: pa.ChunkedArray) -> Floats:
    """Return a column as numbers, NaN if missing."""
    return np.asarray(column.cast(pa.float64()).fill_null(np.nan).to_numpy(), np.float64)


def _read_flags(table: pa.Table, kind: str) -> dict[Modality, _Truths]:
    """Read the columns ``KIND.MODALITY``; a missing value is false."""
    return {
        m: np.asarray(pc.fill_null(table[f"{kind}.{m}"], False).to_numpy(), bool)
        for m in MODALITIES
        if f"{kind}.{m}" in table.column_names
    }


def _texts(table: pa.Table, name: str) -> NDArray[np.str_]:
    """Return a column as text, "" if missing."""
    values: Sequence[Any] = table[name].to_pylist()
    return np.array(["" if value is None else str(value) for value in values], np.str_)


def _relative_time(
    table: pa.Table, sequences: Sequences, recordings: Sequence[Mapping[str, Any]]
) -> Floats:
    """Compute the middle of every utterance, relative to its recording.

    Without times, the position among the conversation's turns is used. Without a duration, a
    recording ends with its last utterance.
    """
    conversation = sequences.conversation
    turns = np.bincount(conversation, minlength=1)[conversation]
    place = (sequences.turn + 0.5) / turns
    if not {"start", "end"} <= set(table.column_names):
        return np.asarray(place)
    start, end = _numbers(table["start"]), _numbers(table["end"])
    last = np.zeros(sequences.recordings)
    np.maximum.at(last, sequences.recording, np.where(np.isnan(end), 0.0, end))
    lengths = np.array([float(row.get("duration") or 0.0) for row in recordings])
    length = np.maximum(lengths, last)[sequences.recording]
    middle = (start + end) / 2 / np.where(length > 0, length, np.nan)
    return np.asarray(np.where(np.isnan(middle), place, np.clip(middle, 0.0, 1.0)))
