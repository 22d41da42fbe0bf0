"""Files that are whole or not there: atomic writing, guarded reading, locks, fingerprints."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from mmerc.errors import InputError, MmercError


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Give a temporary path beside ``path`` that takes its place when the block ends well."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(0o644)
        yield temporary
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise write_error(path, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_directory(path: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder that becomes ``path`` when the block ends well.

    An existing ``path`` must be empty, unless ``overwrite`` allows its replacement.
    """
    if path.exists() and not overwrite and (not path.is_dir() or any(path.iterdir())):
        raise InputError(path, "exists already", "choose another --out, or pass --overwrite")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:
        raise write_error(path, error) from error
    try:
        temporary.chmod(0o755)
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
def file_lock(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold the lock on ``path`` while the block runs, and say whether this process has it.

    Its folder is made, and the file stays: a lock ends with the process, however that ends. False
    where another process has it (never with ``wait``) or has just thrown the file away. A file
    system without locks keeps nobody out. InputError where the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise write_error(path, error) from error
    try:
        yield take_lock(handle, wait=wait) and os.fstat(handle).st_nlink > 0
    finally:
        os.close(handle)


def take_lock(handle: int, *, wait: bool) -> bool:
    """Lock an open file until it is closed; False where another process was faster."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # a file system without locks
        return True
    return True


def write_error(path: Path, error: OSError | SafetensorError) -> MmercError:
    """Say in one sentence why ``path`` could not be written (safetensors wraps a full disk)."""
    reason = (getattr(error, "strerror", None) or str(error)).lower()
    return InputError(path, f"cannot be written ({reason})", "free space or choose another place")


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, whole or not at all."""
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: object) -> None:
    """Write ``value`` as readable JSON, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    """Read UTF-8 text (a byte-order mark is dropped), or say what is wrong with the file."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise InputError(path, "no such file", "check the path") from error
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text (byte {error.start})"
        raise InputError(path, problem, "save it as UTF-8") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, f"cannot be read ({reason})", "check the path") from error


def read_json(path: Path) -> object:
    """Read a JSON file, or say where it breaks."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        problem = f"not JSON (line {error.lineno}: {error.msg.lower()})"
        raise InputError(path, problem, "fix the file or write it again") from error


def fingerprint(value: object) -> str:
    """SHA-256 (hex) of ``value`` as canonical JSON."""
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_fingerprint(path: Path) -> str:
    """SHA-256 (hex) of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
