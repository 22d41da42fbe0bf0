"""Read small text files of other programs (subtitles, speaker turns), with a size limit."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from mmerc.errors import InputError

LARGEST_TEXT = 16 * 2**20
# Direction marks and characters of no width: chats and right-to-left subtitles begin lines with
# them.
_INVISIBLE = re.compile(r"[\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def without_invisible(text: str) -> str:
    """Remove direction marks and characters of no width."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def read_small_text(path: Path, *, largest: int = LARGEST_TEXT, errors: str = "strict") -> str:
    """Read a text file of at most ``largest`` bytes; line endings become line feeds.

    UTF-8 with or without byte-order mark, or UTF-16 with one. InputError for any other encoding,
    which would be a guess, and for a missing or too large file (checked before reading). ``errors``
    as in ``bytes.decode``.
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
    """Refuse a file that is not regular (a pipe would never end) or too large."""
    if not path.exists():
        raise InputError(path, "no such file", "check the path")
    if not path.is_file():
        raise InputError(path, "not a plain file", "check the path")
    if path.stat().st_size > largest:
        problem = f"larger than {largest // 2**20} MB"
        raise InputError(path, problem, "check that it is the right file, or split it into parts")
