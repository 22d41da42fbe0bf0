"""The results of a study at a URL; a recording's results appear atomically."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmerc.caching import cache_folder
from mmerc.errors import InputError
from mmerc.studies.folder_listing import is_recording_name
from mmerc.studies.remote_files import RemoteFolder
from mmerc.studies.study_folder import LOCK, RECORD, StudyFolder
from mmerc.studies.study_recordings import StudyRecording

_AT_ONCE = 100  # recordings per batch of fetched results


@dataclass(frozen=True, slots=True)
class RemoteResults:
    """A study's folder at a URL, with a copy in the cache of every participating machine.

    Without renaming, folders are not atomic. A recording counts as finished if its
    ``recording.json`` exists: it is removed before other files change, and written last.
    """

    place: RemoteFolder

    @property
    def copy(self) -> StudyFolder:
        """The local copy; it has the folder's name, which is shown in the report."""
        _, name = RemoteFolder(str(self.place)).split()  # without a password
        name = name if is_recording_name(name) else "study"
        return StudyFolder(cache_folder() / "studies" / self.place.key / name)

    def claim(self) -> None:
        """Mark the folder as a study's; InputError if it contains other files."""
        names = self.place.names()
        if names and LOCK not in names:
            raise InputError(self.place, "contains other files", "choose another --out")
        if not names:
            self.place.write(LOCK, b"")

    def record(self, name: str) -> Mapping[str, Any] | None:
        """Read the record of a finished recording; None if it is not finished."""
        content = self.place.read([_path(name, RECORD)]).get(_path(name, RECORD))
        if content is None:
            return None
        try:
            value = json.loads(content)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None

    def put(self, name: str) -> None:
        """Upload a recording's results."""
        folder = self.copy.recording(name)
        self.place.remove(_path(name, RECORD))
        for file in sorted(folder.iterdir()):
            if file.name != RECORD and not file.is_symlink():  # a link points to the film
                self.place.put(file, _path(name, file.name))
        self.place.put(folder / RECORD, _path(name, RECORD))

    def put_files(self, paths: Iterable[Path]) -> list[str]:
        """Upload tables; return their URLs."""
        paths = list(paths)
        for path in paths:
            self.place.put(path, path.name)
        return [f"{self.place}/{path.name}" for path in paths]

    def fetch(self, recordings: Sequence[StudyRecording]) -> None:
        """Update the local copy of finished recordings, as far as needed for the tables."""
        for start in range(0, len(recordings), _AT_ONCE):
            batch = recordings[start : start + _AT_ONCE]
            records = self.place.read([_path(item.name, RECORD) for item in batch])
            changed = [item for item in batch if self._is_changed(item, records)]
            names = {item.name: _path(item.name, f"{item.file.stem}.jsonl") for item in changed}
            contents = self.place.read(list(names.values()))
            for item in changed:
                folder = self.copy.recording(item.name)
                folder.mkdir(parents=True, exist_ok=True)
                (folder / RECORD).unlink(missing_ok=True)
                for path in (names[item.name], _path(item.name, RECORD)):
                    content = contents.get(path, records.get(path))
                    if content is None:
                        problem = "missing, though its recording is finished"
                        fix = "run the same command with --overwrite"
                        raise InputError(f"{self.place}/{path}", problem, fix)
                    (folder / Path(path).name).write_bytes(content)

    def _is_changed(self, item: StudyRecording, records: Mapping[str, bytes]) -> bool:
        """Whether the copy's record differs from the remote one."""
        path = self.copy.recording(item.name) / RECORD
        return not path.is_file() or path.read_bytes() != records.get(_path(item.name, RECORD))


def _path(name: str, file: str) -> str:
    """Return the path of a file in a recording's results."""
    return f"recordings/{name}/{file}"
