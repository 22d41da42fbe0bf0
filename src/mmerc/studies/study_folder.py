"""The folder of a study's results."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.errors import InputError
from mmerc.files import file_lock, read_json, remove_abandoned

LOCK = ".mmerc-study"
RECORD = "recording.json"
_WRITTEN = (
    *("utterances", "recordings", "speakers", "transitions"),
    *("measures", "failed", "codebook", "report"),
)
_TEMPORARY_PREFIXES = tuple(f".{name}." for name in _WRITTEN)  # of ``atomic_file``


@dataclass(frozen=True, slots=True)
class StudyFolder:
    """The folder of a study's results: ``recordings/NAME/`` and the tables."""

    path: Path

    @property
    def recordings(self) -> Path:
        """The folder with a subfolder per recording."""
        return self.path / "recordings"

    def recording(self, name: str) -> Path:
        """Return the folder of a recording's results."""
        return self.recordings / name

    def work(self, name: str) -> Path:
        """Return the folder of a recording's intermediate results."""
        return self.path / ".work" / name

    def record(self, name: str) -> Mapping[str, Any] | None:
        """Read the record of a finished recording; None if it is not finished."""
        path = self.recording(name) / RECORD
        if not path.is_file():
            return None
        try:
            value = read_json(path)
        except InputError:
            return None
        return value if isinstance(value, dict) else None

    def list_finished(self) -> list[str]:
        """List the names of all recordings with results, sorted."""
        return sorted(path.parent.name for path in self.recordings.glob(f"*/{RECORD}"))

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Lock the folder; InputError if it is in use, or does not belong to a study."""
        if self.path.is_dir() and any(self.path.iterdir()) and not is_study(self.path):
            raise InputError(self.path, "contains other files", "choose another --out")
        with file_lock(self.path / LOCK) as acquired:
            if not acquired:
                problem = "another command is using this study"
                raise InputError(self.path, problem, "wait until it ends, or choose another --out")
            self._remove_leftovers()
            yield

    def _remove_leftovers(self) -> None:
        """Remove partial files of killed commands, except those of a report being written."""
        for path in self.recordings.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)
        for path in self.path.glob(".*.*"):
            if path.name.startswith(_TEMPORARY_PREFIXES) and path.is_file():
                remove_abandoned(path)


def is_study(folder: Path) -> bool:
    """Whether a folder has the results of a study."""
    return (folder / LOCK).is_file()
