"""List the recordings of a folder and their accompanying files."""

from __future__ import annotations

import errno
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mmerc.corpora.transcript_file import TABLES
from mmerc.files import encodable
from mmerc.studies.study_folder import is_study

MEDIA = frozenset(
    {
        *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv"),
        *(".3gp", ".ts", ".mts", ".m2ts", ".ogv", ".mxf", ".wav", ".mp3", ".m4a", ".aac"),
        *(".flac", ".ogg", ".oga", ".opus", ".wma", ".aif", ".aiff", ".amr", ".caf"),
    }
)
SUBTITLES = frozenset({".srt", ".vtt", ".ass", ".ssa", ".sbv"})
TURNS, TRANSCRIPT = ".rttm", ".txt"
STUDY_FILE = "study.yaml"
LONGEST_NAME = 200  # bytes
CAPTIONS_START = 64  # bytes needed to recognise captions written by an analysis


@dataclass(slots=True, kw_only=True)
class FolderListing:
    """The usable files of a folder.

    ``unusable``: why a recording or folder cannot be used, by path. ``remarks``: on other unused
    files.
    """

    files: list[Path] = field(default_factory=list)
    unusable: dict[Path, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def list_folder(folder: Path, *, skip: Path | None = None) -> FolderListing:
    """List recordings, subtitles, turns and transcripts of a folder, recursively and sorted.

    Hidden files, links to folders, other studies and ``skip`` are excluded; links to files are used
    if they stay inside the folder.
    """
    listing, others = FolderListing(), Counter[str]()
    root = folder.resolve()

    def note_error(error: OSError) -> None:
        reason = (error.strerror or str(error)).lower()
        listing.unusable[Path(error.filename)] = f"the folder cannot be read ({reason})"

    for parent, folders, names in os.walk(folder, onerror=note_error):
        here = Path(parent)
        folders[:] = sorted(
            name for name in folders if _is_searched(here / name, skip=skip, listing=listing)
        )
        for name in sorted(names):
            path = here / name
            if name.startswith(".") or name == STUDY_FILE:
                continue
            if path.suffix.lower() not in MEDIA | SUBTITLES | {TURNS, TRANSCRIPT}:
                others[path.suffix.lower() or "no suffix"] += 1
            elif (problem := find_problem(path, root)) is not None:
                listing.unusable[path] = problem
            else:
                listing.files.append(path)
    if others:
        listing.remarks.append(describe_unused(folder, others))
    return listing


def describe_unused(place: object, others: Mapping[str, int]) -> str:
    """Remark on other files, by suffix."""
    kinds = ", ".join(f"{suffix} ({count})" for suffix, count in sorted(others.items()))
    tables = " (tables of words are analysed if study.yaml lists them)"
    return f"{place}: other files were not used: {kinds}{tables if TABLES & others.keys() else ''}."


def _is_searched(path: Path, *, skip: Path | None, listing: FolderListing) -> bool:
    """Whether to search a subfolder; adds a remark if not, unless obvious."""
    if path.name.startswith(".") or (skip is not None and path.resolve() == skip.resolve()):
        return False
    if path.is_symlink():
        listing.remarks.append(f"{path}: a link to a folder, not followed.")
        return False
    if is_study(path):
        listing.remarks.append(f"{path}: a study's results, not analysed.")
        return False
    return True


def find_problem(path: Path, root: Path) -> str | None:
    """Return why a file inside the resolved folder ``root`` must not be used; None if allowed."""
    try:
        path.stat()
        actual = path.resolve()
    except (OSError, RuntimeError) as error:
        code = getattr(error, "errno", errno.ELOOP)
        if code == errno.ELOOP:
            return "a circular link; replace it by the file"
        if path.is_symlink():
            return "a link to a file that is missing; replace it by the file"
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        return f"cannot be read ({reason}); check the path"
    if not actual.is_relative_to(root):
        return f"it points outside  {root}; move the file into that folder"
    return None


def is_text(path: Path) -> bool:
    """Whether a path is valid UTF-8, as needed in tables and pages."""
    return encodable(str(path)) == str(path)


def is_recording_name(name: str) -> bool:
    """Whether this is a valid name for a recording and its folder of results."""
    return (
        bool(name.strip())
        and not name.startswith(".")
        and not {"/", "\0"} & set(name)
        and is_text(Path(name))
        and len(name.encode()) <= LONGEST_NAME
    )


def find_recordings(files: Iterable[Path]) -> list[Path]:
    """Find films and sounds, and transcripts without a film or sound."""
    files = [path for path in files if path.suffix.lower() not in SUBTITLES | {TURNS}]
    media = {path.with_suffix("") for path in files if path.suffix.lower() in MEDIA}
    return [
        path
        for path in files
        if path.suffix.lower() != TRANSCRIPT or path.with_suffix("") not in media
    ]


def is_own_captions(path: Path) -> bool:
    """Whether a .vtt file was written by an analysis rather than being subtitles."""
    if path.suffix.lower() != ".vtt":
        return False
    try:
        with open(path, "rb") as file:
            return file.read(CAPTIONS_START).startswith(b"WEBVTT\n\nNOTE emotions in ")
    except OSError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class SideFiles:
    """The accompanying files of a recording; ``problem`` if they are ambiguous."""

    subtitles: Path | None = None
    turns: Path | None = None
    transcript: Path | None = None
    remarks: tuple[str, ...] = ()
    problem: str | None = None


def group_by_name(files: Iterable[Path]) -> dict[Path, list[Path]]:
    """Group files by folder and name without suffix (subtitles also without language code)."""
    groups: dict[Path, list[Path]] = {}
    for path in files:
        groups.setdefault(path.parent / path.stem, []).append(path)
        base, _, _ = path.stem.rpartition(".")
        if base and path.suffix.lower() in SUBTITLES and _is_language_code(path.stem, of=base):
            groups.setdefault(path.parent / base, []).append(path)
    return groups


def match_side_files(recording: Path, groups: Mapping[Path, Sequence[Path]]) -> SideFiles:
    """Choose a recording's subtitles, turns and transcript by name, from ``group_by_name``.

    A file matches if it is in the same folder and has the same name except for the suffix;
    ``talk.en.srt`` matches ``talk.mp4`` if there is no ``talk.srt``.
    """
    beside = groups.get(recording.parent / recording.stem, ())
    exact = [path for path in beside if path.stem == recording.stem and path != recording]
    subtitles = [path for path in exact if _is_subtitles(path)]
    if not subtitles:
        subtitles = [path for path in beside if path not in exact and _is_subtitles(path)]
    turns = next((path for path in exact if path.suffix.lower() == TURNS), None)
    transcript = next((path for path in exact if path.suffix.lower() == TRANSCRIPT), None)
    if len(subtitles) > 1:
        names = " and ".join(sorted(path.name for path in subtitles))
        problem = f"{names} could each be its subtitles; keep one, or name it in {STUDY_FILE}"
        return SideFiles(problem=problem)
    if not subtitles:
        return SideFiles(turns=turns, transcript=transcript)
    remarks: tuple[str, ...] = ()
    if transcript is not None:
        remarks = (f"{transcript.name} is not used: the words are those of {subtitles[0].name}.",)
    return SideFiles(subtitles=subtitles[0], turns=turns, remarks=remarks)


def _is_subtitles(path: Path) -> bool:
    """Whether a file has subtitles that were not written by an analysis."""
    return path.suffix.lower() in SUBTITLES and not is_own_captions(path)


def _is_language_code(stem: str, *, of: str) -> bool:
    """Whether ``stem`` is ``of`` plus a language code such as ``.en`` or ``.pt-BR``."""
    base, _, code = stem.rpartition(".")
    language, _, region = code.partition("-")
    return (
        base == of
        and 2 <= len(language) <= 3
        and language.isalpha()
        and (not region or region.isalnum())
    )
