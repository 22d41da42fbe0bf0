"""Files of a folder at a URL (s3://, gs://, ftp://, file:// and others), through fsspec."""

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

# What file systems say of a file that changes with its content, whatever each calls it.
_VERSIONS = (
    *("ETag", "etag", "VersionId", "version_id", "generation", "md5Hash", "crc32c", "content_md5"),
    *("mtime", "LastModified", "last_modified", "updated", "modify", "created"),
)
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FIX = "check the address, the network, and that you may use it"


def is_url(place: str | Path) -> bool:
    """Whether a place is a URL, and not a path."""
    return "://" in str(place)


def describe_place(place: str | Path) -> str:
    """A path or URL for messages: a URL without its password."""
    return str(RemoteFolder(str(place)) if is_url(place) else place)


@dataclass(frozen=True, slots=True)
class RemoteFolder:
    """A folder at a URL; files are named by their path inside it.

    InputError, in one sentence and without passwords, for what cannot be read or written.
    """

    url: str

    def __str__(self) -> str:
        """The URL without user and password."""
        try:
            parts = urlsplit(self.url)
        except ValueError:  # half of an address in brackets
            return f"{self.url.partition('://')[0]}://..."
        return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")

    @property
    def key(self) -> str:
        """A short name for this place, safe in file names."""
        return fingerprint(self.url.rstrip("/"))[:16]

    def split(self) -> tuple[RemoteFolder, str]:
        """The folder that this place is in, and its name."""
        parent, _, name = self.url.rstrip("/").rpartition("/")
        return RemoteFolder(parent), name

    def names(self) -> list[str]:
        """The files in the folder and its folders, in order.

        Names that lead elsewhere (`..`) are left out. An empty folder and a missing one are alike.
        """
        inside: list[str] = []
        with self._open() as (system, root), suppress(FileNotFoundError):
            files = system.find(root, **_strict_options(system))
            inside = sorted(_inside(path, root) for path in files)
        return [name for name in inside if _is_safe(name)]

    def version(self, name: str) -> str | None:
        """What changes with the content of a file; None if the file system does not say."""
        with self._open(name) as (system, root):
            info = system.info(f"{root}/{name}")
        known = {key: str(info[key]) for key in _VERSIONS if info.get(key) is not None}
        return fingerprint({"size": info.get("size"), **known}) if known else None

    def fetch(self, name: str, target: Path, *, largest: int | None = None) -> None:
        """Copy a file to this machine, whole or not at all.

        InputError for one of more than ``largest`` bytes.
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
                if error.errno in _DISK_FULL:  # that of this machine
                    raise write_error(target, error) from error
                raise
            size = system.info(f"{root}/{name}").get("size")
            if size is not None and size != temporary.stat().st_size:
                problem = "not all of it arrived, or it is being written"
                raise InputError(f"{self}/{name}", problem, "run the same command again")

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """The content of files, as many at a time as the file system can; not of missing ones."""
        if not names:
            return {}
        with self._open() as (system, root):
            # unlike cat, this does not take [1] in a name for a pattern
            contents = system.cat_ranges([f"{root}/{name}" for name in names], None, None)
            for content in contents:
                if isinstance(content, Exception) and not isinstance(content, FileNotFoundError):
                    raise content
        pairs = zip(names, contents, strict=True)
        return {name: content for name, content in pairs if isinstance(content, bytes)}

    def read_start(self, name: str, count: int) -> bytes:
        """The first bytes of a file."""
        with self._open(name) as (system, root), _opened(system, f"{root}/{name}") as file:
            return _read_start(file, count)

    def read_small(self, name: str, *, largest: int) -> bytes:
        """The content of a file; InputError, before more is read, if it has more bytes."""
        with self._open(name) as (system, root):
            path = f"{root}/{name}"
            size = system.info(path).get("size")
            if size is None or size <= largest:
                with _opened(system, path) as file:
                    content = _read_start(file, largest + 1)
                if len(content) <= largest:
                    return content
            problem = f"larger than {largest // 2**20} MB"
            fix = "check that it is the right file, or cut it into parts"
            raise InputError(f"{self}/{name}", problem, fix)

    def put(self, source: Path, name: str) -> None:
        """Copy a file of this machine there."""
        with self._open(name) as (system, root):
            path = f"{root}/{name}"
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.put_file(str(source), path)

    def write(self, name: str, content: bytes) -> None:
        """Write a small file there."""
        with self._open(name) as (system, root):
            path = f"{root}/{name}"
            system.makedirs(path.rpartition("/")[0], exist_ok=True)
            system.pipe_file(path, content)

    def remove(self, name: str) -> None:
        """Remove a file if it is there."""
        with self._open(name) as (system, root):
            if system.exists(f"{root}/{name}"):
                system.rm_file(f"{root}/{name}")

    @contextmanager
    def _open(self, name: str = "") -> Iterator[tuple[Any, str]]:
        """The file system and the path in it; what goes wrong in the block is named."""
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
        except Exception as error:  # each file system has errors of its own
            problem = f"cannot be reached ({_first_line(error)})"
            raise InputError(where, problem, _FIX) from error


def _opened(system: Any, path: str) -> Any:
    """Open a small file; file systems would read some megabytes at a time."""
    return system.open(path, "rb", block_size=2**16)


def _read_start(file: Any, count: int) -> bytes:
    """The first bytes of an open file; what a server streams comes in parts."""
    parts: list[bytes] = []
    while count > 0 and (part := file.read(count)):
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def _strict_options(system: Any) -> dict[str, str]:
    """Options of ``find`` without which it passes over folders that cannot be read."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    kind = type(system)
    walks = kind.find is AbstractFileSystem.find
    walks |= getattr(kind, "_find", None) is AsyncFileSystem._find
    return {"on_error": "raise"} if walks else {}


def _inside(path: str, root: str) -> str:
    """The part of a listed path that is inside the folder."""
    return path.removeprefix(root).lstrip("/")


def _is_safe(name: str) -> bool:
    """Whether a name stays inside the folder it is in, on this machine too."""
    parts = name.split("/")
    return "\0" not in name and not {"", ".", ".."} & set(parts)


def _first_line(error: BaseException) -> str:
    """What an error says, in one line; its kind if it says nothing."""
    lines = str(error).split("\n")
    return lines[0].strip().rstrip(".") or type(error).__name__


def place_on_disk(folder: Path, name: str) -> Path:
    """Where a remote file of this name is put inside a folder of this machine."""
    return folder.joinpath(*PurePosixPath(name).parts)
