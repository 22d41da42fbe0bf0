"""The files of a recording on this machine, fetched for its analysis where they are at a URL."""

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
    """Where a recording is: its path, or its URL."""
    if recording.remote is None:
        return recording.file
    return f"{RemoteFolder(recording.remote)}/{recording.file.as_posix()}"


@contextmanager
def fetched(recording: StudyRecording, *, study: Path) -> Iterator[StudyRecording]:
    """Yield the recording with files of this machine; copies are removed after the block.

    ``study`` keeps the copies of two studies of one recording apart. Errors name the URL.
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
            is_film = path.suffix.lower() in MEDIA  # subtitles may be those inside a film
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
    """Remove what workers that were killed have left on this machine."""
    for remote in {item.remote for item in recordings} - {None}:
        shutil.rmtree(_place_copies(str(remote), study=study), ignore_errors=True)


def _place_copies(remote: str, *, study: Path) -> Path:
    """The folder of the copies from a URL."""
    return cache_folder() / "fetched" / fingerprint([str(study), remote])[:16]


def fingerprint_inputs(recording: StudyRecording, *, study: Path) -> dict[str, str]:
    """What changes with the content of a recording's files, by their role.

    Of files at a URL, what their file system says (an ETag, or a time of change and a size); of
    others, and where it says nothing, the content.
    """
    if recording.remote is None:
        return {role: file_fingerprint(path) for role, path in recording.inputs.items()}
    remote = RemoteFolder(recording.remote)
    versions = {role: remote.version(p.as_posix()) for role, p in recording.inputs.items()}
    if all(versions.values()):
        return {role: version or "" for role, version in versions.items()}
    with fetched(recording, study=study) as local:
        return {role: file_fingerprint(path) for role, path in local.inputs.items()}
