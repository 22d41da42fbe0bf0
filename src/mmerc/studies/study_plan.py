"""Plan a study: the recordings from files, a folder or ``study.yaml``."""

from __future__ import annotations

import errno
import stat
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from os.path import realpath  # unlike Path.resolve, it accepts circular links
from pathlib import Path

from pydantic import ValidationError

from mmerc.errors import InputError, UsageError
from mmerc.files import encodable
from mmerc.studies.column_checks import check_columns
from mmerc.studies.folder_listing import (
    STUDY_FILE,
    SUBTITLES,
    TRANSCRIPT,
    TURNS,
    FolderListing,
    SideFiles,
    find_recordings,
    group_by_name,
    is_recording_name,
    is_text,
    list_folder,
    match_side_files,
)
from mmerc.studies.study_file import RecordingEntry, StudyFile, StudySettings, read_study_file
from mmerc.studies.study_recordings import RecordingOutcome, StudyRecording

_FIX = "fix the file (docs/studies.md describes it)"
_NOT_TEXT = "its path is not UTF-8 text; rename it"
_NAMED = 20  # maximum number of missing files listed in a sentence
_COLUMNS = ("participant", "session", "condition", "group")


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """The recordings to analyse, sorted by name; failed ones; and remarks."""

    recordings: tuple[StudyRecording, ...]
    failed: tuple[RecordingOutcome, ...] = ()
    remarks: tuple[str, ...] = ()
    settings: StudySettings = field(default_factory=StudySettings)


def plan_folder(
    folder: Path,
    *,
    skip: Path | None = None,
    add_unlisted: bool = False,
    listing: FolderListing | None = None,
) -> StudyPlan:
    """Plan a study of all recordings in a folder, or of those listed in its ``study.yaml``.

    ``skip`` is the folder of the results. ``add_unlisted``: also include recordings that are not
    listed in ``study.yaml``. ``listing``: the folder's content, if known.
    """
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "check the path")
    listed = folder / STUDY_FILE
    if listed.is_file():
        return plan_study_file(listed, skip=skip, add_unlisted=add_unlisted, listing=listing)
    listing = listing or list_folder(folder, skip=skip)
    plan = _plan_recordings(find_recordings(listing.files), listing.files, root=folder)
    failed = [
        _fail(StudyRecording(name=path.stem, file=path), folder, why)
        for path, why in listing.unusable.items()
        if path.suffix.lower() not in SUBTITLES | {TURNS}
    ]
    remarks = [
        f"{path}: {why}."
        for path, why in listing.unusable.items()
        if path.suffix.lower() in SUBTITLES | {TURNS}
    ]
    return replace(
        plan,
        failed=(*plan.failed, *failed),
        remarks=(*listing.remarks, *remarks, *plan.remarks),
    )


def plan_files(paths: Sequence[Path]) -> StudyPlan:
    """Plan a study of single files, with their accompanying files."""
    beside = [
        item
        for parent in dict.fromkeys(path.parent for path in paths)
        if parent.is_dir()
        for item in sorted(parent.iterdir())
        if item.suffix.lower() in SUBTITLES | {TURNS, TRANSCRIPT} and item.is_file()
    ]
    files = list(dict.fromkeys([*paths, *beside]))
    named = set(paths)
    recordings = [path for path in find_recordings(files) if path in named]
    return _plan_recordings(recordings, files, root=None, given=paths)


def plan_study_file(
    path: Path,
    *,
    skip: Path | None = None,
    add_unlisted: bool = False,
    listing: FolderListing | None = None,
) -> StudyPlan:
    """Plan the study that a ``study.yaml`` describes.

    InputError for inconsistent entries, files outside its folder, and missing files.
    """
    study, folder = read_study_file(path), path.parent
    listing = listing or list_folder(folder, skip=skip)
    recordings: list[StudyRecording] = []
    remarks: list[str] = []
    failed: list[RecordingOutcome] = []
    excluded = _check_excluded(path, study)
    groups = group_by_name(listing.files)
    for entry in study.recordings:
        recording = _read_entry(path, entry)
        if {entry.file, recording.name} & excluded:
            continue
        sides = match_side_files(recording.file, groups)
        if sides.problem is not None and recording.subtitles is None:
            failed.append(_fail(recording, folder, sides.problem))
            continue
        recordings.append(_with_sides(recording, sides))
        remarks += [f"{recording.name}: {line}" for line in sides.remarks]
    _check_distinct(path, recordings)
    check_columns(path, recordings)
    if not add_unlisted:  # a watched folder may be incomplete
        _check_present(path, recordings, listed=set(listing.files))
    listed = {realpath(folder / entry.file) for entry in study.recordings}
    unlisted = [
        item
        for item in find_recordings(listing.files)
        if realpath(item) not in listed and _relative(item, folder) not in excluded
    ]
    plan = StudyPlan(
        recordings=tuple(sorted(recordings, key=lambda item: item.name)),
        failed=tuple(failed),
        remarks=tuple(remarks),
        settings=_place_settings(path, study.settings),
    )
    if unlisted and not add_unlisted:
        names = ", ".join(_relative(item, folder) for item in unlisted[:3])
        more = f" and {len(unlisted) - 3} more" if len(unlisted) > 3 else ""
        return replace(plan, remarks=(*remarks, f"{path} does not list {names}{more}."))
    used = {realpath(file) for item in recordings for file in item.inputs.values()}
    unused = [item for item in listing.files if realpath(item) not in used]
    return _join(plan, _plan_recordings(unlisted, unused, root=folder))


def _join(plan: StudyPlan, more: StudyPlan) -> StudyPlan:
    """Add the recordings of another plan, except those with existing names."""
    used = {item.name.casefold() for item in plan.recordings}
    return replace(
        plan,
        recordings=tuple(
            sorted(
                [
                    *plan.recordings,
                    *(item for item in more.recordings if item.name.casefold() not in used),
                ],
                key=lambda item: item.name,
            )
        ),
        failed=(
            *plan.failed,
            *more.failed,
            *(
                _fail(item, None, f"{STUDY_FILE} has another recording of this name; rename it")
                for item in more.recordings
                if item.name.casefold() in used
            ),
        ),
        remarks=(*plan.remarks, *more.remarks),
    )


def _plan_recordings(
    recordings: Sequence[Path],
    files: Sequence[Path],
    *,
    root: Path | None,
    given: Sequence[Path] = (),
) -> StudyPlan:
    """Plan recordings without study columns, with their accompanying files."""
    same: dict[str, list[Path]] = {}
    for path in recordings:
        same.setdefault(path.stem.casefold(), []).append(path)
    planned: list[StudyRecording] = []
    failed: list[RecordingOutcome] = []
    remarks: list[str] = []
    matched: set[Path] = set()
    groups = group_by_name(files)
    for path in recordings:
        recording = StudyRecording(name=path.stem, file=path)
        sides = match_side_files(path, groups)
        matched |= {p for p in (sides.subtitles, sides.turns, sides.transcript) if p is not None}
        namesakes = [_relative(other, root) for other in same[path.stem.casefold()]]
        if len(namesakes) > 1:
            reason = (
                f"{' and '.join(namesakes)} have the same name; rename one, or name them apart "
                f"in {STUDY_FILE}"
            )
            failed.append(_fail(recording, root, reason))
        elif not is_text(path):
            failed.append(_fail(recording, root, _NOT_TEXT))
        elif sides.problem is not None:
            failed.append(_fail(recording, root, sides.problem))
        else:
            planned.append(_with_sides(recording, sides))
            remarks += [f"{recording.name}: {line}" for line in sides.remarks]
    orphans = [
        path
        for path in (given if root is None else files)
        if path.suffix.lower() in SUBTITLES | {TURNS} and path not in matched
    ]
    remarks += _orphan_remarks(orphans, recordings, root)
    return StudyPlan(
        recordings=tuple(sorted(planned, key=lambda item: item.name)),
        failed=tuple(failed),
        remarks=tuple(remarks),
    )


def _orphan_remarks(
    orphans: Iterable[Path], recordings: Sequence[Path], root: Path | None
) -> list[str]:
    """Remark on subtitles and turns without a matching recording."""
    stems = {(path.parent, path.stem) for path in recordings}
    return [
        f"{_relative(path, root)} is not used: no recording in its folder has its name."
        for path in orphans
        if (path.parent, path.stem) not in stems
        and (path.parent, Path(path.stem).stem) not in stems
    ]


def _with_sides(recording: StudyRecording, sides: SideFiles) -> StudyRecording:
    """Add accompanying files unless the recording names others."""
    if recording.is_transcript:
        return recording
    subtitles = recording.subtitles or sides.subtitles
    return replace(
        recording,
        subtitles=subtitles,
        turns=recording.turns or sides.turns,
        transcript=None if subtitles else recording.transcript or sides.transcript,
    )


def _read_entry(path: Path, entry: RecordingEntry) -> StudyRecording:
    """Build the recording of an entry of a study file."""
    name = entry.name or Path(entry.file).stem
    if not is_recording_name(name):
        raise InputError(path, f"{name!r} cannot be the name of a recording", _FIX)
    values = {key: getattr(entry, key) for key in _COLUMNS}
    for column in entry.columns:
        if column in _COLUMNS:
            problem = f"{entry.file}: {column} is a separate key, not one of `columns`"
            raise InputError(path, problem, _FIX)
    return StudyRecording(
        name=name,
        file=_place(path, entry.file),
        subtitles=None if entry.subtitles is None else _place(path, entry.subtitles),
        turns=None if entry.turns is None else _place(path, entry.turns),
        transcript=None if entry.transcript is None else _place(path, entry.transcript),
        columns={key: value for key, value in {**values, **entry.columns}.items() if value},
        participants=entry.speakers,
        exclude=tuple(sorted(entry.exclude)),
    )


def _place(path: Path, text: str) -> Path:
    """Locate a file named in a study file; InputError if outside the study file's folder."""
    if "\0" in text or not is_text(Path(text)):
        raise InputError(path, f"{text!r} is not the name of a file", _FIX)
    if "://" in text:
        raise InputError(path, f"{text} is a URL", "copy the file into the folder and name it")
    if Path(text).is_absolute() or text.startswith("~") or ".." in Path(text).parts:
        fix = "name files by their path inside the folder"
        raise InputError(path, f"{text} is outside the study's folder", fix)
    file = path.parent / text
    if file.exists() and not file.resolve().is_relative_to(path.parent.resolve()):
        raise InputError(path, f"{text} is a link that points outside the study's folder", _FIX)
    return file


def _place_settings(path: Path, settings: StudySettings) -> StudySettings:
    """Resolve folders in settings; other names are model names."""
    names = {"model": settings.model, "whisper": settings.whisper}
    folders = {key: _place(path, name) for key, name in names.items() if name is not None}
    return settings.model_copy(
        update={key: str(folder) for key, folder in folders.items() if folder.exists()}
    )


def _check_excluded(path: Path, study: StudyFile) -> set[str]:
    """Return the excluded recordings; InputError if one is not in the file."""
    names = {name for entry in study.recordings for name in (entry.file, entry.name)}
    names |= {Path(entry.file).stem for entry in study.recordings if entry.name is None}
    for name in study.exclude:
        if name not in names and not (path.parent / name).exists():
            raise InputError(path, f"exclude: {name} is not one of the recordings", _FIX)
    return set(study.exclude)


def _check_distinct(path: Path, recordings: Sequence[StudyRecording]) -> None:
    """InputError if two entries have the same name or file."""
    names: dict[str, StudyRecording] = {}
    files: dict[str, StudyRecording] = {}
    for item in recordings:
        other = files.setdefault(realpath(item.file), item)
        if other is not item:
            raise InputError(path, f"{item.file.name} is listed twice", "list it once")
        other = names.setdefault(item.name.casefold(), item)
        if other is not item:
            files_text = f"{_relative(other.file, path.parent)} and "
            files_text += _relative(item.file, path.parent)
            problem = f"{files_text} have the same name, {item.name}"
            raise InputError(path, problem, "give one of them another `name`")


def _check_present(path: Path, recordings: Sequence[StudyRecording], *, listed: Set[Path]) -> None:
    """InputError, listing all, if files named in the study file are missing."""
    files = [file for item in recordings for file in item.inputs.values()]
    missing = [file for file in files if file not in listed and _is_missing(file)]
    names = [_relative(file, path.parent) for file in dict.fromkeys(missing)]
    if names:
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        problem = f"missing files: {', '.join(names[:_NAMED])}{more}"
        raise InputError(path, problem, "correct their names, or delete their entries")


def _is_missing(path: Path) -> bool:
    """Whether there is no file at this path; False if unknown."""
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except OSError as error:
        return error.errno in {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG}


def _fail(recording: StudyRecording, root: Path | None, reason: str) -> RecordingOutcome:
    """Return the outcome of a recording that cannot be analysed."""
    texts = (recording.name, _relative(recording.file, root), reason)
    name, file, reason = map(encodable, texts)
    return RecordingOutcome(name=name, file=file, state="failed", reason=reason)


def _relative(path: Path, folder: Path | None) -> str:
    """Return the path relative to ``folder`` for messages; the full path if outside."""
    if folder is None:
        return str(path)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def override_settings(plan: StudyPlan, changes: Mapping[str, object]) -> StudyPlan:
    """Override settings of a plan from the command line; UsageError for an invalid value."""
    values = {**plan.settings.model_dump(), **changes}
    try:
        return replace(plan, settings=StudySettings.model_validate(values))
    except ValidationError as error:
        raise UsageError(f"{error.errors()[0]['msg'].removeprefix('Value error, ')}.") from error
