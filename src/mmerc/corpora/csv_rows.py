"""Read rows of user-edited CSV tables, with line numbers in errors."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager

from mmerc.errors import InputError


def read_rows(
    reader: csv.DictReader[str], *, before: int = 0
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the last line number and the cells of every row.

    ``before``: number of lines before the header. InputError for a row with another width than the
    header, and for invalid CSV.
    """
    with refusing_bad_csv(reader, before=before):
        for values in reader:
            if None in values or None in values.values():
                problem = "it has more or fewer cells than the header"
                fix = "fix the row, most likely its quotes"
                raise InputError(f"line {before + reader.line_num}", problem, fix)
            yield before + reader.line_num, values


@contextmanager
def refusing_bad_csv(reader: csv.DictReader[str], *, before: int = 0) -> Iterator[None]:
    """Raise InputError if the block reads invalid CSV."""
    try:
        yield
    except csv.Error as error:
        problem = str(error)
        if problem == "unexpected end of data" or "expected after" in problem:
            problem = "an unclosed quotation mark"
        where = f"line {before + reader.line_num}"
        raise InputError(where, f"not CSV ({problem})", "fix its quotes") from error
