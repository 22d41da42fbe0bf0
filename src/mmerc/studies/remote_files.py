"""Files in a folder at a URL (s3://, gs://, ftp://, file:// and others), with fsspec."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from mmerc.errors import InputError, MmercError
from mmerc.files import atomic_file, fingerprint, write_error

# Names that file systems use for a version of a file's content.
_VERSIONS = (
    *("ETag", "etag", "VersionId", "version_id", "generation", "md5Hash", "crc32c", "content_md5"),
    *("mtime", "LastModified", "last_modified", "updated", "modify", "created"),
)
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FIX = "check the address, the network, and that you may use it"


def is_url(place: str | Path) -> bool:
    """Whether a place is a URL rather than a path."""
    return "://" in str(place)


def describe_place(place: str | Path) -> str:
    """Format a path or URL for messages, without password."""
    return str(RemoteFolder(str(place)) if is_url(place) else place)


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder at a URL; files are identified by their path inside it.

    InputError, in one sentence and without passwords, for failed reads and writes.
    """

    url: str

    def __str__(self) -> str:
        """The URL without user and password."""
        try:
            parts = urlsplit(self.url)
        except ValueError:  # an incomplete address in brackets
            return f"{self.url.partition('://')[0]}://..."
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")

    @property
    def key(self) -> str:
        """A short name for this folder, safe in file names."""
        return fingerprint(self.url.rstrip("/"))[:16]

    def split(self) -> tuple[RemoteFolder, str]:
        """Return the parent folder and the name."""
        parent, _, name = self.url.rstrip("/").rpartition("/")
        return RemoteFolder(parent), name

    def names(self) -> list[str]:
        """List the files in the folder, recursively and sorted.

        Names that lead outside (`..`) are skipped. A missing folder counts as empty.
        """
        inside: list[str] = []
        with self._open() as (system, root), suppress(FileNotFoundError):
            files = system.find(root, **_strict_options(system))
            inside = sorted(_inside(path, root) for path in files)
        return [name for name in inside if _is_safe(name)]

    def version(self, name: str) -> str | None:
        """Return a version of a file's content; None if the file system has none."""
        with self._open(name) as (system, root):
            info = system.info(f"{root}/{name}")
        known = {key: str(info[key]) for key in _VERSIONS if info.get(key) is not None}
        return fingerprint({"size": info.get("size"), **known}) if known else None

    def fetch(self, name: str, target: Path, *, largest: int | None = None) -> None:
        """Download a file atomically.

        InputError if it has more than ``largest`` bytes.
        """
        if largest is not None:
            content = self.read_small(name, largest=largest)
            with atomic_file(target) as temporary:
                temporary.write_bytes(content)
            return
        with atomic_file(target) as temporary, self._open(name) as (system, root):
            try:
                system.get_file(f"{root}/{name}", str(temporary))
            except OSError as error:
                if error.errno in _DISK_FULL:  # the local disk
                    raise write_error(target, error) from error
                raise
            size = system.info(f"{root}/{name}").get("size")
            if size is not None and size != temporary.stat().st_size:
                problem = "not all of it arrived, or it is being written"
                raise InputError(f"{self}/{name}", problem, "run the same command again")

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Read the content of files concurrently; missing ones are skipped."""
        if not names:
            return {}
        with self._open() as (system, root):
            # unlike cat, this does not treat [1] in a name as a pattern
            contents = system.cat_ranges([f"{root}/{name}" for name in names], None, None)
            for content in contents:
                if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                    raise content
        pairs = zip(names, contents, strict=True)
        return {name: content for name, content in pairs if isinstance(content, bytes)}

    def read_start(self, name: str, count: int) -> bytes:
        """Read the first bytes of a file."""
        with self._open(name) as (system, root), _opened(system, f"{root}/{name}") as file:
            return _read_start(file, count)

    def read_small(self, name: str, *, largest: int) -> bytes:
        """Read a file; InputError if it has more bytes, without reading further."""
        with self._open(name) as (system, root):
            path = f"{root}/{name}"
            size = system.info(path).get("size")
            if size is None or size <= largest:
                with _opened(system, path) as file:
                    content = _read_start(file, largest + 1)
                if len(content) <= largest:
                    return content
            problem = f"larger than {largest // 2**20} MB"
            fix = "check that it is the right file, or split it into parts"
            raise InputError(f"{self}/{name}", problem, fix)

    def put(self, source: Path, name: str) -> None:
        """Upload a local file."""
        with self._open(name) as (system, root):
            path = f"{root}/{name}"
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.put_file(str(source), path)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        with self._open(name) as (system, root):
            path = f"{root}/{name}"
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, content)

    def remove(self, name: str) -> None:
        """Remove a file if it exists."""
        with self._open(name) as (system, root):
            if system.exists(f"{root}/{name}"):
                system.rm_file(f"{root}/{name}")

    @contextmanager
    def _open(self, name: str = "") -> Iterator[tuple[Any, str]]:
        """Open the file system; yield it with the path, and convert errors of the block."""
        where = f"{self}/{name}" if name else str(self)
        try:
            from fsspec.core import url_to_fs

            if "::" in self.url:
                raise InputError(where, "several URLs in one", "name a single place")
            system, root = url_to_fs(self.url, use_listings_cache=False)
            yield system, root.rstrip("/")
        except MmercError:
            raise
        except FileNotFoundError as error:
            raise InputError(where, "no such file or folder", "check the address") from error
        except ImportError as error:
            problem = f"its file system is not installed ({_first_line(error)})"
            raise InputError(where, problem, "install what it names with pip") from error
        except NotImplementedError as error:
            problem = "its file system cannot do this"
            raise InputError(where, problem, "choose another place") from error
        except Exception as error:  # each file system has its own errors
            problem = f"cannot be reached ({_first_line(error)})"
            raise InputError(where, problem, _FIX) from error


def _opened(system: Any, path: str) -> Any:
    """Open a small file, without reading megabytes ahead."""
    return system.open(path, "rb", block_size=2**16)


def _read_start(file: Any, count: int) -> bytes:
    """Read the first bytes of an open file; streams may return fewer bytes at a time."""
    parts: list[bytes] = []
    while count > 0 and (part := file.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _strict_options(system: Any) -> dict[str, str]:
    """Return options that make ``find`` fail for unreadable folders."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    kind = type(system)
    walks = kind.find is AbstractFileSystem.find
    walks |= getattr(kind, "_find", None) is AsyncFileSystem._find
    return {"on_error": "raise"} if walks else {}


def _inside(path: str, root: str) -> str:
    """Return a listed path relative to the folder."""
    return path.removeprefix(root).lstrip("/")


def _is_safe(name: str) -> bool:
    """Whether a name stays inside its folder, also on this machine."""
    parts = name.split("/")
    return "\0" not in name and not {"", ".", ".."} & set(parts)


def _first_line(error: BaseException) -> str:
    """Return the first line of an error, or its type if it has no message."""
    lines = str(error).split("\n")
    return lines[0].strip().rstrip(".") or type(error).__name__


def place_on_disk(folder: Path, name: str) -> Path:
    """Return the local path for a remote file in a folder."""
    return folder.joinpath(*PurePosixPath(name).parts)
