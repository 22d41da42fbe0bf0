"""Locate errors in the file, line or conversation that they are about."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmerc.errors import InputError


@contextmanager
def inside(where: object) -> Iterator[None]:
    """Locate every InputError of the block inside ``where``."""
    try:
        yield
    except InputError as error:
        raise error.inside(where) from error
