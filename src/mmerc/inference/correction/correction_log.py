"""Corrections in SQLite: append-only, and on disk before they are acknowledged."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.errors import InputError
from mmerc.files import fingerprint, write_error
from mmerc.inference.analysis import Analysis
from mmerc.inference.correction.edited_lines import Author, EditedLines
from mmerc.inference.correction.edits import (
    EDITS,
    LabelEdit,
    LineEdit,
    PredictEdit,
    RedoEdit,
    UndoEdit,
)

AnyEdit = LineEdit | UndoEdit | RedoEdit | PredictEdit
_SCHEMA = """
CREATE TABLE IF NOT EXISTS analysis (fingerprint TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS corrections (
    number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, rater TEXT NOT NULL,
    time REAL NOT NULL, edit TEXT NOT NULL
) STRICT;
CREATE TRIGGER IF NOT EXISTS corrections_stay BEFORE UPDATE ON corrections
    BEGIN SELECT RAISE(ABORT, 'corrections are never changed'); END;
CREATE TRIGGER IF NOT EXISTS corrections_remain BEFORE DELETE ON corrections
    BEGIN SELECT RAISE(ABORT, 'corrections are never deleted'); END;
"""
_AFTER = "SELECT number, key, rater, time, edit FROM corrections WHERE number > ? ORDER BY number"


@dataclass(frozen=True, slots=True)
class Correction:
    """An accepted edit; ``lines`` are the ids of the changed lines."""

    number: int
    author: Author
    edit: AnyEdit
    lines: frozenset[str]


class ConflictError(Exception):
    """Somebody else has corrected the same lines: ``corrections``, oldest first."""

    def __init__(self, corrections: Sequence[Correction]) -> None:
        super().__init__()
        self.corrections = tuple(corrections)


class CorrectionLog:
    """The corrections of one analysis, and the resulting lines.

    Safe for several threads, and for several servers on one file, which is open only while it is
    read or written. Uses a rollback journal instead of a write-ahead log because that works on
    network drives and leaves a single file.
    """

    def __init__(self, path: str | Path, analysis: Analysis) -> None:
        self.path, self.analysis = Path(path), analysis
        self.lock = threading.RLock()
        try:
            with self._open(create=True) as database:
                database.executescript(_SCHEMA)
                self._check_analysis(database)
        except sqlite3.OperationalError as error:
            raise write_error(self.path, OSError(str(error))) from error
        except sqlite3.DatabaseError as error:
            problem = f"not a file of corrections ({error})"
            raise InputError(self.path, problem, "move it away") from error
        self._keys: dict[str, int] = {}
        self.corrections: list[Correction] = []
        self.undone: set[int] = set()
        self.lines = EditedLines(analysis)
        self.refresh()

    @contextmanager
    def _open(self, *, create: bool = False) -> Iterator[sqlite3.Connection]:
        """Open a connection whose commits are on disk when they return."""
        address = f"{self.path.absolute().as_uri()}?mode={'rwc' if create else 'rw'}"
        with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as database:
            for pragma in ("journal_mode=DELETE", "synchronous=EXTRA", "busy_timeout=10000"):
                database.execute(f"PRAGMA {pragma}")
            yield database

    def _check_analysis(self, database: sqlite3.Connection) -> None:
        """InputError if the corrections belong to another analysis."""
        actual = fingerprint([[p.id, p.text, p.start, p.end] for p in self.analysis.predictions])
        insert = "INSERT INTO analysis SELECT ? WHERE NOT EXISTS (SELECT * FROM analysis)"
        database.execute(insert, (actual,))
        if database.execute("SELECT fingerprint FROM analysis").fetchone()[0] != actual:
            problem = "has corrections of another analysis of this name"
            raise InputError(self.path, problem, "move it away, or restore that analysis")

    @property
    def revision(self) -> int:
        """The number of the latest correction, 0 if there is none."""
        return len(self.corrections)

    def refresh(self) -> None:
        """Read what other processes have appended."""
        with self.lock, self._open() as database:
            self._read(database)

    def _read(self, database: sqlite3.Connection) -> None:
        """Apply the corrections after the latest known one."""
        for number, key, rater, moment, edit in database.execute(
            _AFTER, (self.revision,)
        ).fetchall():
            self._add(number, key, Author(rater, moment), EDITS.validate_json(edit))

    def append(
        self, edit: AnyEdit, *, rater: str, revision: int | None = None, key: str = ""
    ) -> Correction:
        """Store an edit, and return once it is on disk.

        ``revision`` is the latest correction that the rater has seen (None: all). ``key`` makes the
        request idempotent: a correction already stored under it is returned. ConflictError if
        somebody corrected the same lines after that revision, or if the correction to undo has
        successors; InputError if the edit is invalid.
        """
        with self.lock, self._open() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                self._read(database)
                if key in self._keys:
                    return self.corrections[self._keys[key] - 1]
                number, author = self.revision + 1, Author(rater, round(time.time(), 3))
                key = key or f"{number}"
                self._check_conflicts(edit, revision)
                correction = self._add(number, key, author, edit)
                row = (number, key, rater, author.time, edit.model_dump_json())
                database.execute("INSERT INTO corrections VALUES (?, ?, ?, ?, ?)", row)
                database.execute("COMMIT")
            except ConflictError:
                raise
            except BaseException:
                self._keys, self.corrections, self.undone = {}, [], set()
                self.lines = EditedLines(self.analysis)  # the edit may already be in the lines
                if database.in_transaction:
                    database.execute("ROLLBACK")
                self._read(database)
                raise
        return correction

    def _check_conflicts(self, edit: AnyEdit, revision: int | None) -> None:
        """ConflictError if the edit's lines have corrections that its author has not seen."""
        if isinstance(edit, PredictEdit):
            return
        if isinstance(edit, UndoEdit | RedoEdit):
            target = self._target(edit)
            after = [
                c
                for c in self.corrections[target.number :]
                if self.is_active(c)
                and not (
                    c.author.rater != target.author.rater and _are_separate_labels(target.edit, c)
                )
            ]
            self._raise_on_conflict(after, target.lines)
        elif revision is not None and revision < self.revision:
            later = [c for c in self.corrections[revision:] if not _are_separate_labels(edit, c)]
            changed = {edit.id, getattr(edit, "other", edit.id)}
            if getattr(edit, "everywhere", False) and edit.id in self.lines.lines:
                speaker = self.lines.lines[edit.id].speaker
                changed |= {k for k, line in self.lines.lines.items() if line.speaker == speaker}
            self._raise_on_conflict(later, frozenset(changed))

    def _raise_on_conflict(self, corrections: Sequence[Correction], lines: frozenset[str]) -> None:
        """ConflictError if a correction, other than a prediction, changed one of the lines."""
        conflicts = [
            c for c in corrections if c.lines & lines and not isinstance(c.edit, PredictEdit)
        ]
        if conflicts:
            raise ConflictError(conflicts)

    def _target(self, edit: UndoEdit | RedoEdit) -> Correction:
        """Return the correction to undo or redo; InputError if that is not possible."""
        number = edit.number
        target = self.corrections[number - 1] if number <= self.revision else None
        done = "undone" if isinstance(edit, UndoEdit) else "redone"
        if target is None or isinstance(target.edit, UndoEdit | RedoEdit | PredictEdit):
            raise InputError(f"correction {number}", f"cannot be {done}", "choose another one")
        if (number in self.undone) == isinstance(edit, UndoEdit):
            state = "is already undone" if number in self.undone else "is not undone"
            raise InputError(f"correction {number}", state, "load the lines again")
        return target

    def is_active(self, correction: Correction) -> bool:
        """Whether a correction is in effect."""
        is_line_edit = not isinstance(correction.edit, UndoEdit | RedoEdit)
        return is_line_edit and correction.number not in self.undone

    def _add(self, number: int, key: str, author: Author, edit: AnyEdit) -> Correction:
        """Apply an edit to the lines; undoing rebuilds them from the remaining corrections."""
        if isinstance(edit, UndoEdit | RedoEdit):
            target = self._target(edit)
            lines = target.lines
            (self.undone.add if isinstance(edit, UndoEdit) else self.undone.discard)(target.number)
            self._replay()
        else:
            lines = self.lines.apply(edit, author, number)
        correction = Correction(number, author, edit, lines)
        self.corrections.append(correction)
        self._keys[key] = number
        return correction

    def _replay(self) -> None:
        """Rebuild the lines from the corrections that are not undone."""
        self.lines = EditedLines(self.analysis)
        for item in self.corrections:
            if self.is_active(item) and not isinstance(item.edit, UndoEdit | RedoEdit):
                self.lines.apply(item.edit, item.author, item.number)


def _are_separate_labels(edit: Any, other: Correction) -> bool:
    """Whether both are blind labels of different raters, which never conflict."""
    return isinstance(edit, LabelEdit) and edit.blind and isinstance(other.edit, LabelEdit)
