"""Read rows of user-edited CSV tables, with line numbers in errors."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from mmerc.errors import InputError


def read_rows(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the last line number and the cells of every row.

    InputError for a row with another width than the header, and for invalid CSV.
    """
    with refusing_bad_csv(reader):
        for values in reader:
            if None in values or None in values.values():
                problem = "it has more or fewer cells than the header"
                fix = "fix the row, most likely its quotes"
                raise InputError(f"line {reader.line_num}", problem, fix)
            yield reader.line_num, values


@contextmanager
def refusing_bad_csv(reader: csv.DictReader[str]) -> Iterator[None]:
    """Raise InputError if the block reads invalid CSV."""
    try:
        yield
    except csv.Error as error:
        problem = f"not CSV ({error})"
        raise InputError(f"line {reader.line_num}", problem, "fix its quotes") from error
