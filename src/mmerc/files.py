"""Atomic writing, reading with clear errors, file names, locks and fingerprints."""

from __future__ import annotations

import codecs
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EACCES, ENAMETOOLONG, EPERM, EROFS
from pathlib import Path

from safetensors import SafetensorError

from mmerc.errors import InputError, MmercError
from mmerc.parsing import parse_json

_MAX_NAME = 255  # bytes; limit of common file systems
_EXAMINED = 2**16  # bytes from which an encoding is recognised
_MAX_TEMPORARY = 240  # bytes; leaves room for tempfile's suffix


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder that replaces ``path`` if the block succeeds."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = _create_temporary(path)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield temporary
        temporary.chmod(_apply_umask(0o666))  # needed because safetensors creates a private file
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _create_temporary(path: Path) -> tuple[int, Path]:
    """Create and lock a temporary file next to ``path``; return its handle and path.

    The lock shows ``remove_abandoned`` that the file is being written.
    """
    while True:
        handle, name = tempfile.mkstemp(prefix=_temporary_prefix(path), dir=path.parent)
        _take_lock(handle, wait=True, shared=False)
        if os.fstat(handle).st_nlink > 0:
            return handle, Path(name)
        os.close(handle)  # removed as abandoned before it was locked


def remove_abandoned(temporary: Path) -> None:
    """Remove a temporary file of ``atomic_file``, unless a process is still writing it."""
    with suppress(OSError), open(temporary, "rb") as file:
        if _take_lock(file.fileno(), wait=False, shared=False):
            temporary.unlink()


@contextmanager
def atomic_directory(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Yield a temporary folder that becomes ``path`` if the block succeeds.

    An existing ``path`` must be an empty folder, unless ``overwrite`` allows its replacement.
    """
    if path.exists() and not overwrite and (not path.is_dir() or any(path.iterdir())):
        raise InputError(path, "exists already", "choose another --out, or pass --overwrite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=_temporary_prefix(path), dir=path.parent))
    except OSError as error:
        raise write_error(path, error) from error
    try:
        temporary.chmod(_apply_umask(0o777))
        yield temporary
        retired = temporary.with_name(f"{temporary.name}.old")
        if path.exists():
            path.replace(retired)
        temporary.replace(path)
        shutil.rmtree(retired, ignore_errors=True)
    except (OSError, SafetensorError) as error:
        raise write_error(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def file_lock(path: Path, *, wait: bool = False, shared: bool = False) -> Iterator[bool]:
    """Lock the file ``path`` while the block runs; yield whether this process has the lock.

    ``shared`` locks exclude only exclusive ones.

    The folder is created, and the file is kept; the lock always ends with the process. False if
    another process has the lock (never with ``wait``) or has just removed the file. On a file
    system without locks it has no effect. InputError if the file cannot be created.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield _take_lock(handle, wait=wait, shared=shared) and os.fstat(handle).st_nlink > 0
    finally:
        os.close(handle)


def _take_lock(handle: int, *, wait: bool, shared: bool) -> bool:
    """Lock an open file until it is closed; False if another process has the lock."""
    try:
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        fcntl.flock(handle, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def _fit_name(stem: str, ending: str = "", *, limit: int = _MAX_NAME) -> str:
    """Join ``stem`` and ``ending`` to a file name of at most ``limit`` bytes.

    An overlong stem is truncated, with a hash to keep names unique.
    """
    if len(os.fsencode(stem + ending)) <= limit:
        return stem + ending
    ending = f"~{hashlib.sha256(os.fsencode(stem)).hexdigest()[:8]}{ending}"
    while len(os.fsencode(stem + ending)) > limit:
        stem = stem[:-1]
    return stem + ending


def _apply_umask(mode: int) -> int:
    """Apply the user's umask to ``mode``."""
    umask = os.umask(0o077)  # can only be read by setting it; strict in between
    os.umask(umask)
    return mode & ~umask


def _temporary_prefix(path: Path) -> str:
    """Return a prefix for temporary names: hidden, and short enough for any suffix."""
    return _fit_name(f".{path.name}", ".", limit=_MAX_TEMPORARY)


def write_error(path: Path, error: OSError | SafetensorError) -> MmercError:
    """Build the error for a ``path`` that is not writable (safetensors wraps a full disk)."""
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    fixes = {
        ENAMETOOLONG: "choose a shorter name",
        **dict.fromkeys((EACCES, EPERM, EROFS), "choose a place that you may write to"),
    }
    fix = fixes.get(getattr(error, "errno", None) or 0, "free space or choose another place")
    return InputError(path, f"cannot be written ({reason})", fix)


def encodable(text: str) -> str:
    """Replace lone surrogates, which UTF-8 cannot encode, by question marks.

    They occur in file names that are not UTF-8, and in JSON.
    """
    return text.encode("utf-8", "replace").decode("utf-8")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, atomically.

    Lone surrogates, which file names may contain, are escaped; in JSON this keeps their value.
    """
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as indented JSON, atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    """Read text; line endings become line feeds. InputError if it cannot be read.

    Encodings: see ``decode_text``.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "check the path") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error
    return decode_text(data, path)


def decode_text(data: bytes, path: Path, *, errors: str = "strict") -> str:
    """Decode the content of a text file; line endings become line feeds.

    UTF-8 with or without byte-order mark, or UTF-16 with one. InputError for any other encoding,
    which would be a guess. ``errors``: for UTF-8, as in ``bytes.decode``.
    """
    marked = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    unmarked = None if marked else _find_utf16(data[:_EXAMINED])
    if unmarked is not None:
        problem = f"UTF-16 text ({unmarked}) without a byte-order mark"
        raise InputError(path, problem, "save it as UTF-8")
    try:
        text = data.decode("utf-16", "strict") if marked else data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        problem = f"not {'UTF-16' if marked else 'UTF-8'} text (byte {error.start})"
        raise InputError(path, problem, "save it as UTF-8") from error
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _find_utf16(data: bytes) -> str | None:
    """Return the byte order in which data are UTF-16 text; None if they are not.

    A tenth of the characters must be ASCII, as digits, spaces and line feeds are in any script.
    Their zero bytes do not occur in UTF-8 text.
    """
    if b"\0" not in data:
        return None
    for order, encoding in (("little-endian", "utf-16-le"), ("big-endian", "utf-16-be")):
        decoder = codecs.getincrementaldecoder(encoding)()  # data may end within a character
        with suppress(UnicodeDecodeError):
            text = decoder.decode(data)
            plain = sum(sign in "\t\n\r" or " " <= sign <= "~" for sign in text)
            if "\0" not in text and plain > len(text) / 10:
                return order
    return None


def read_json(path: Path) -> object:
    """Read a JSON file; InputError if it is damaged or a key occurs twice in an object."""
    return parse_json(read_text(path), where=path)


def fingerprint(value: object) -> str:
    """Return the SHA-256 (hex) of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """Return the SHA-256 (hex) of a file."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
