"""Local files of a recording, fetched for its analysis if they are at a URL."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from mmerc.caching import cache_folder
from mmerc.errors import InputError
from mmerc.files import file_fingerprint, fingerprint
from mmerc.media.text_files import LARGEST_TEXT
from mmerc.studies.folder_listing import MEDIA
from mmerc.studies.remote_files import RemoteFolder, place_on_disk
from mmerc.studies.study_recordings import StudyRecording


def locate(recording: StudyRecording) -> str | Path:
    """Return a recording's path or URL."""
    if recording.remote is None:
        return recording.file
    return f"{RemoteFolder(recording.remote)}/{recording.file.as_posix()}"


@contextmanager
def fetched(recording: StudyRecording, *, study: Path) -> Iterator[StudyRecording]:
    """Yield the recording with local files; copies are removed after the block.

    Copies are separate for each ``study``. Errors name the URL.
    """
    if recording.remote is None:
        yield recording
        return
    copies = _place_copies(recording.remote, study=study) / recording.name
    remote = RemoteFolder(recording.remote)
    paths: dict[str, Any] = {}
    try:
        for role, path in recording.inputs.items():
            paths[role] = place_on_disk(copies, path.as_posix())
            is_film = path.suffix.lower() in MEDIA  # subtitles may be embedded in a film
            is_text = recording.is_transcript if role == "file" else not is_film
            largest = LARGEST_TEXT if is_text else None
            remote.fetch(path.as_posix(), paths[role], largest=largest)
        try:
            yield replace(recording, remote=None, **paths)
        except InputError as error:
            where = error.where.replace(str(copies), str(remote))
            raise InputError(where, error.problem, error.fix) from error
    finally:
        shutil.rmtree(copies, ignore_errors=True)


def discard_copies(recordings: Iterable[StudyRecording], *, study: Path) -> None:
    """Remove leftovers of killed workers."""
    for remote in {item.remote for item in recordings} - {None}:
        shutil.rmtree(_place_copies(str(remote), study=study), ignore_errors=True)


def _place_copies(remote: str, *, study: Path) -> Path:
    """Return the folder of the copies from a URL."""
    return cache_folder() / "fetched" / fingerprint([str(study), remote])[:16]


def fingerprint_inputs(recording: StudyRecording, *, study: Path) -> dict[str, str]:
    """Return a fingerprint of each of a recording's files, by role.

    For files at a URL it is the version from the file system (an ETag, or modification time and
    size); for others, or if there is none, a hash of the content.
    """
    if recording.remote is None:
        return {role: file_fingerprint(path) for role, path in recording.inputs.items()}
    remote = RemoteFolder(recording.remote)
    versions = {role: remote.version(p.as_posix()) for role, p in recording.inputs.items()}
    if all(versions.values()):
        return {role: version or "" for role, version in versions.items()}
    with fetched(recording, study=study) as local:
        return {role: file_fingerprint(path) for role, path in local.inputs.items()}
