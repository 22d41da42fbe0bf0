"""Add the file, line or conversation to errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmerc.errors import InputError


@contextmanager
def inside(where: object) -> Iterator[None]:
    """Add ``where`` to every InputError of the block."""
    try:
        yield
    except InputError as error:
        raise error.inside(where) from error
