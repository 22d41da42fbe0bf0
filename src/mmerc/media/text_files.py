"""Small text files of other programs (subtitles, speaker turns): decoded, and never huge."""

from __future__ import annotations

import codecs
from pathlib import Path

from mmerc.errors import InputError

LARGEST_TEXT = 16 * 2**20


def read_small_text(path: Path, *, largest: int = LARGEST_TEXT, errors: str = "strict") -> str:
    """Text of a file of at most ``largest`` bytes, with line feeds for whatever ended its lines.

    UTF-8 with or without a byte-order mark, or UTF-16 with one. Any other encoding would be a
    guess: InputError, as for a file that is missing or too large (its size is seen before reading).
    ``errors`` as in ``bytes.decode``.
    """
    try:
        _check_plain_and_small(path, largest)
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16", "strict") if marked else data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        problem = f"not {'UTF-16' if marked else 'UTF-8'} text (byte {error.start})"
        raise InputError(path, problem, "save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _check_plain_and_small(path: Path, largest: int) -> None:
    """Refuse what is not a plain file (a pipe would never end) or too large."""
    if not path.exists():
        raise InputError(path, "no such file", "check the path")
    if not path.is_file():
        raise InputError(path, "not a plain file", "check the path")
    if path.stat().st_size > largest:
        problem = f"larger than {largest // 2**20} MB"
        raise InputError(path, problem, "check that it is the right file, or cut it into parts")
