"""Rows of CSV tables that people edit: checked, with the line that is wrong."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from mmerc.errors import InputError


def read_rows(reader: csv.DictReader[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """The number of the last line and the cells of every row.

    InputError for a row of another width than the header, and for what is no CSV.
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
    """Raise InputError if a block reads what is no CSV."""
    try:
        yield
    except csv.Error as error:
        problem = f"not CSV ({error})"
        raise InputError(f"line {reader.line_num}", problem, "fix its quotes") from error
