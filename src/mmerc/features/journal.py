"""A journal that saves each finished row before there are enough for a Parquet part.

Each row is one batch of an Arrow stream. A killed process leaves at most one truncated batch. The
next process that opens the journal moves the complete batches into the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from mmerc.features.store import FeatureRow, FeatureStore, check_vector, from_arrow, to_arrow

_FOLD_AT = 1000  # rows per part, except the last


class Journal:
    """The unfinished part of a store; opened by ``open_journal``."""

    def __init__(self, store: FeatureStore) -> None:
        self.store = store
        self.path = store.directory / "journal.arrows"
        self.rows: list[FeatureRow] = []
        self.stream: Any = None

    def add(self, row: FeatureRow) -> None:
        """Save ``row`` durably: a kill afterwards cannot lose it."""
        check_vector(row, self.store.spec)
        table = to_arrow([row], self.store.spec.dim)
        if self.stream is None:
            self.file = open(self.path, "wb", buffering=0)  # noqa: SIM115
            self.stream = pa.ipc.new_stream(self.file, table.schema)
        self.stream.write_table(table)
        self.rows.append(row)
        if len(self.rows) >= _FOLD_AT:
            self.fold()

    def fold(self) -> None:
        """Write the rows as a part and empty the journal."""
        self.close()
        if self.rows:
            self.store.append(self.rows)
        self.rows = []
        self.path.unlink(missing_ok=True)

    def recover(self) -> None:
        """Move the rows of a killed process into the store."""
        self.rows = list(_whole_rows(self.path, self.store.spec.dim))
        self.fold()

    def close(self) -> None:
        if self.stream is not None:
            self.stream.close()
            self.file.close()
            self.stream = None


@contextmanager
def open_journal(store: FeatureStore) -> Iterator[Journal]:
    """Recover earlier rows, then save new ones; on an exception, the journal is kept."""
    journal = Journal(store)
    journal.recover()
    try:
        yield journal
        journal.fold()
    finally:
        journal.close()


def _whole_rows(path: Path, dim: int) -> Iterator[FeatureRow]:
    """Yield the complete rows of a journal."""
    if not path.exists():
        return
    with open(path, "rb") as file:
        try:
            for batch in pa.ipc.open_stream(file):
                yield from from_arrow(pa.Table.from_batches([batch]), dim)
        except (OSError, pa.ArrowException):
            return
