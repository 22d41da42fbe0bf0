"""Write the tables of a study, one recording at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from mmerc.errors import InputError
from mmerc.files import write_text
from mmerc.studies.codebook import write_codebook
from mmerc.studies.study_folder import RECORD, StudyFolder
from mmerc.studies.study_plan import StudyPlan
from mmerc.studies.study_recordings import RecordingOutcome, StudyRecording
from mmerc.studies.table_columns import FAILED, STUDY_COLUMNS, Kind, TableLayout, infer_kind
from mmerc.studies.table_rows import RecordingRows
from mmerc.studies.table_writer import TableWriter, format_header, format_rows


def write_tables(
    folder: StudyFolder, plan: StudyPlan, outcomes: Iterable[RecordingOutcome]
) -> list[Path]:
    """Write all tables of finished recordings, ``failed.csv`` and ``codebook.md``.

    Only one recording is in memory at a time. Output is deterministic.
    """
    outcomes = list(outcomes)
    finished = {item.name for item in outcomes if item.state != "failed"}
    recordings = [item for item in plan.recordings if item.name in finished]
    layout = _choose_layout(folder, plan, recordings)
    with ExitStack() as stack:
        writers = {
            name: TableWriter.open(folder.path / name, columns, stack)
            for name, columns in layout.tables.items()
        }
        for recording in recordings:
            rows = RecordingRows(
                recording=recording,
                columns=_convert_columns(recording.columns, layout.further),
                record=_read_record(folder, recording),
                predictions=_read_predictions(folder, recording),
            )
            for name, writer in writers.items():
                writer.write(getattr(rows, name)())
        for writer in writers.values():
            writer.flush()
    tables = [path for writer in writers.values() for path in writer.paths]
    return [*tables, _write_failed(folder, outcomes), write_codebook(folder.path, layout)]


def _choose_layout(
    folder: StudyFolder, plan: StudyPlan, recordings: Iterable[StudyRecording]
) -> TableLayout:
    """Choose the columns of the tables: study columns, emotions, and the model's layers."""
    labels: dict[str, None] = {}
    layers: dict[str, None] = {}
    sets = False
    for recording in recordings:
        record = _read_record(folder, recording)
        labels |= dict.fromkeys(record["labels"])
        layers |= dict.fromkeys(record["layers"])
        sets |= record.get("set_level") is not None
    values: dict[str, list[str]] = {}
    for recording in plan.recordings:
        for name, value in recording.columns.items():
            if name not in STUDY_COLUMNS:
                values.setdefault(name, []).append(value)
    further = {name: infer_kind(texts) for name, texts in values.items()}
    return TableLayout(further=further, labels=tuple(labels), layers=tuple(layers), sets=sets)


def _convert_columns(
    columns: Mapping[str, str], further: Mapping[str, Kind]
) -> dict[str, str | int | float | None]:
    """Convert a recording's study columns to their types; None if missing."""
    convert = {"text": str, "integer": int, "number": float, "truth": str}
    values: dict[str, str | int | float | None] = {
        name: columns.get(name) for name in STUDY_COLUMNS
    }
    for name, kind in further.items():
        values[name] = convert[kind](columns[name]) if name in columns else None
    return values


def _read_record(folder: StudyFolder, recording: StudyRecording) -> Mapping[str, Any]:
    """Read the record of a finished recording; InputError if it disappeared."""
    record = folder.record(recording.name)
    if record is None:
        raise _missing_file_error(folder.recording(recording.name) / RECORD)
    return record


def _read_predictions(folder: StudyFolder, recording: StudyRecording) -> list[dict[str, Any]]:
    """Read the predictions of a finished recording; InputError if they disappeared."""
    path = folder.recording(recording.name) / f"{recording.file.stem}.jsonl"
    try:
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except (OSError, ValueError) as error:
        raise _missing_file_error(path) from error


def _missing_file_error(path: Path) -> InputError:
    problem = "cannot be read, though its recording is finished"
    return InputError(path, problem, "run the same command with --overwrite")


def _write_failed(folder: StudyFolder, outcomes: Iterable[RecordingOutcome]) -> Path:
    """Write the failed recordings with reasons."""
    path = folder.path / "failed.csv"
    rows = [
        {"recording": item.name, "file": item.file, "reason": item.reason}
        for item in outcomes
        if item.state == "failed"
    ]
    write_text(path, format_header(FAILED) + format_rows(FAILED, rows))
    return path
