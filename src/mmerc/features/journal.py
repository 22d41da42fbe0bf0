"""Rows that are safe as soon as they are finished, before they make up a whole Parquet part.

Each row is one batch of an Arrow stream. Whoever is killed leaves at most a torn last batch behind;
the whole ones are folded into the store by the next who opens it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmerc.features.store import FeatureRow, FeatureStore, check_vector, rows_of, table_of

FOLD_AT = 1000  # rows that a part should have at least, as long as more are to come


class Journal:
    """The unfinished part of a store; opened by ``open_journal``."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.path = store.directory / "journal.arrows"
        self.rows: list[FeatureRow] = []
        self.stream: Any = None

    def add(self, row: FeatureRow) -> None:
        """Keep ``row``: from here on no kill can lose it."""
        check_vector(row, self.store.spec)
        table = table_of([row], self.store.spec.dim)
        if self.stream is None:
            self.file = open(self.path, "wb", buffering=0)  # noqa: SIM115
            self.stream = pa.ipc.new_stream(self.file, table.schema)
        self.stream.write_table(table)
        self.rows.append(row)
        if len(self.rows) >= FOLD_AT:
            self.fold()

    def fold(self) -> None:
        """Make a part of the rows and begin again."""
        self.close()
        if self.rows:
            self.store.append(self.rows)
        self.rows = []
        self.path.unlink(missing_ok=True)

    def recover(self) -> None:
        """Fold what somebody who was killed left behind."""
        self.rows = list(whole_rows(self.path, self.store.spec.dim))
        self.fold()

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.file.close()
            self.stream = None


@contextmanager
def open_journal(store: FeatureStore) -> Iterator[Journal]:
    """Recover what was left, then keep rows; an exception leaves the journal for the next time."""
    journal = Journal(store)
    journal.recover()
    try:
        yield journal
        journal.fold()
    finally:
        journal.close()


def whole_rows(path: Path, dim: int) -> Iterator[FeatureRow]:
    """Rows of a journal up to the place where it is torn."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        try:
            for batch in pa.ipc.open_stream(file):
                yield from rows_of(pa.Table.from_batches([batch]), dim)
        except (OSError, pa.ArrowException):
            return
