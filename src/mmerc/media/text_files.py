"""Read small text files of other programs (subtitles, speaker turns), with a size limit."""

from __future__ import annotations

import re
from pathlib import Path

from mmerc.errors import InputError
from mmerc.files import decode_text

LARGEST_TEXT = 16 * 2**20
# Direction marks and characters of no width: chats and right-to-left subtitles begin lines with
# them. Fewer than names lose (``tidy_name``): text keeps Arabic number signs and flags' tags.
_INVISIBLE = re.compile(r"[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def without_invisible(text: str) -> str:
    """Remove direction marks and characters of no width."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def read_small_text(path: Path, *, largest: int = LARGEST_TEXT, errors: str = "strict") -> str:
    """Read a text file of at most ``largest`` bytes; line endings become line feeds.

    Encodings and ``errors``: see ``mmerc.files.decode_text``. InputError for other encodings, and
    for a missing or too large file (checked before reading).
    """
    try:
        _check_plain_and_small(path, largest)
        data = path.read_bytes()
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error
    return decode_text(data, path, errors=errors)


def _check_plain_and_small(path: Path, largest: int) -> None:
    """Refuse a file that is not regular (a pipe would never end) or too large."""
    if not path.exists():
        raise InputError(path, "no such file", "check the path")
    if not path.is_file():
        raise InputError(path, "not a plain file", "check the path")
    if path.stat().st_size > largest:
        problem = f"larger than {largest // 2**20} MB"
        raise InputError(path, problem, "check that it is the right file, or split it into parts")
