"""Consistency checks of study columns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmerc.errors import InputError
from mmerc.studies.study_recordings import StudyRecording
from mmerc.studies.table_columns import is_reserved


def check_columns(path: Path, recordings: Sequence[StudyRecording]) -> None:
    """InputError, in one sentence, if the study columns of ``path`` are inconsistent."""
    _check_names(path, recordings)
    groups: dict[str, tuple[str, str]] = {}
    for item in recordings:
        _check_participant(path, item)
        group = item.columns.get("group")
        for participant in _list_participants(item) if group else ():
            other, recording = groups.setdefault(participant, (group or "", item.name))
            if other != group:
                problem = (
                    f"participant {participant} is in group {other} ({recording}) and in group "
                    f"{group} ({item.name})"
                )
                raise InputError(path, problem, "a participant has one group: correct one of them")


def _list_participants(recording: StudyRecording) -> list[str]:
    """List all participants of a recording."""
    if recording.participants:
        return list(recording.participants.values())
    participant = recording.columns.get("participant")
    return [participant] if participant else []


def _check_participant(path: Path, recording: StudyRecording) -> None:
    """InputError if a recording's participant is not among its speakers' participants."""
    participant = recording.columns.get("participant")
    people = recording.participants.values()
    if participant and people and participant not in people:
        problem = (
            f"{recording.name}: its participant {participant} is not among its "
            f"`speakers` ({', '.join(people)})"
        )
        raise InputError(path, problem, "correct one of them")


def _check_names(path: Path, recordings: Sequence[StudyRecording]) -> None:
    """InputError for a reserved column name, or names that differ only in case."""
    names: dict[str, str] = {}
    for item in recordings:
        for column in item.columns:
            if is_reserved(column):
                problem = f"{item.name}: the tables already have a column {column!r}"
                raise InputError(path, problem, "rename the column")
            other = names.setdefault(column.casefold(), column)
            if other != column:
                problem = f"the columns {other!r} and {column!r} differ only in case"
                raise InputError(path, problem, "spell them alike")
            if not column.strip() or any(not sign.isprintable() for sign in column):
                raise InputError(path, f"{column!r} cannot name a column", "rename the column")
