"""The cache for expensive results. It is optional: nothing fails without it."""

from __future__ import annotations

import atexit
import logging
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmerc.errors import InputError

_VARIABLE = "MMERC_CACHE"
_BLOCK = 4096  # bytes; size of the smallest file on most disks
_remarked: set[Path | None] = set()


def configured_cache() -> Path | None:
    """Return the cache folder, ``$MMERC_CACHE`` or ``~/.cache/mmerc``; None without a home."""
    try:
        return Path(os.environ.get(_VARIABLE) or "~/.cache/mmerc").expanduser()
    except RuntimeError:
        return None


def cache_folder() -> Path:
    """Return the cache folder, or a temporary one (with a warning) if it is not writable."""
    folder = configured_cache()
    problem = "There is no home folder for a cache" if folder is None else _find_problem(folder)
    if folder is not None and not problem:
        return folder
    return temporary_cache(problem)


def temporary_cache(problem: str) -> Path:
    """Create a temporary cache for this process and its children, with a warning."""
    temporary = tempfile.mkdtemp(prefix="mmerc-cache-")
    atexit.register(shutil.rmtree, temporary, ignore_errors=True)
    _remark_on(problem)
    os.environ[_VARIABLE] = temporary
    return Path(temporary)


def cache_matplotlib() -> None:
    """Make Matplotlib store settings and fonts in the cache.

    Call before importing Matplotlib. A full disk is ignored.
    """
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    if "MPLCONFIGDIR" in os.environ:
        return
    folder = configured_cache()
    if folder is None or not os.access(_existing_parent(folder), os.W_OK | os.X_OK):
        folder = Path(tempfile.mkdtemp(prefix="mmerc-matplotlib-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MPLCONFIGDIR"] = str(folder / "matplotlib")


@contextmanager
def optional_write() -> Iterator[None]:
    """Turn errors of writing to the cache into warnings."""
    try:
        yield
    except (OSError, InputError) as error:
        _remark_on(str(error))


def _existing_parent(folder: Path) -> Path:
    """Return the nearest existing folder."""
    return next(path for path in (folder, *folder.parents) if os.path.lexists(path))


def _find_problem(folder: Path) -> str:
    """Return why a folder is not writable; "" if it is."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_BLOCK))
    except OSError as error:
        return f"The cache {folder} cannot be written ({(error.strerror or str(error)).lower()})"
    return ""


def _remark_on(problem: str) -> None:
    """Warn once per cache that it is not writable; on stderr if there is no log."""
    if configured_cache() not in _remarked:
        _remarked.add(configured_cache())
        problem = problem.partition(";")[0]
        advice = f"results are not cached. Set {_VARIABLE} to a folder that can be written."
        logging.getLogger("mmerc").warning("%s; %s", problem, advice)
