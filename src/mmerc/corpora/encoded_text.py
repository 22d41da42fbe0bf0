"""Read text files that may be in a Windows encoding, as saved by spreadsheets."""

from __future__ import annotations

from pathlib import Path

from mmerc.errors import InputError, UsageError
from mmerc.files import read_text

_WINDOWS = "cp1252"


def read_encoded_text(file: Path, encoding: str | None) -> tuple[str, str | None]:
    """Read text; also return a remark if the encoding is guessed.

    Without ``encoding``: UTF-8, or else Windows-1252 with a remark. InputError if the file cannot
    be read; UsageError for an unknown encoding.
    """
    if encoding is not None:
        return _decode(file, encoding), None
    try:
        return read_text(file), None
    except InputError as error:
        if not isinstance(error.__cause__, UnicodeDecodeError):
            raise
    return _decode(file, _WINDOWS), (
        f"{file.name} is not UTF-8 and was read as Windows-1252; check names and quotation marks, "
        "or name the encoding with --encoding."
    )


def _decode(file: Path, encoding: str) -> str:
    """Read a file in an encoding; line endings become line feeds."""
    try:
        text = file.read_bytes().decode(encoding)
    except LookupError as error:
        raise UsageError(f"No encoding is called {encoding!r}; try cp1252 or latin1.") from error
    except UnicodeDecodeError as error:
        problem = f"not {encoding} text (byte {error.start})"
        raise InputError(file, problem, "name its encoding with --encoding") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(file, f"cannot be read ({reason})", "check the path") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
