"""Plan a study at a URL, from file names and small files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mmerc.corpora.transcript_file import TABLES
from mmerc.errors import InputError
from mmerc.media.text_files import LARGEST_TEXT
from mmerc.studies.folder_listing import (
    CAPTIONS_START,
    MEDIA,
    STUDY_FILE,
    SUBTITLES,
    TRANSCRIPT,
    TURNS,
    FolderListing,
    describe_unused,
)
from mmerc.studies.remote_files import RemoteFolder, place_on_disk
from mmerc.studies.study_folder import LOCK
from mmerc.studies.study_plan import StudyPlan, plan_folder, plan_study_file
from mmerc.studies.study_recordings import StudyRecording

_SMALL = SUBTITLES | {TURNS, TRANSCRIPT}
_STUDIES = frozenset({".yaml", ".yml"})


def plan_url(url: str, *, skip: str | None = None) -> StudyPlan:
    """Plan a study of the folder, the ``study.yaml`` or the recording at a URL.

    ``skip`` is the URL of the results. Films and sounds are not read yet. The recordings' paths are
    relative to their ``remote`` folder. InputError if the URL is not accessible.
    """
    place, only = RemoteFolder(url.rstrip("/")), ""
    if Path(url).suffix.lower() in MEDIA | _STUDIES | {TRANSCRIPT}:
        place, only = place.split()
    results = f"{skip.rstrip('/')}/".removeprefix(f"{place.url}/") if skip else "/"
    names = [name for name in place.names() if not results or not name.startswith(results)]
    if Path(only).suffix.lower() in MEDIA | {TRANSCRIPT}:
        names = [name for name in names if _belongs(name, only)]
    if not names:
        raise InputError(RemoteFolder(url), "contains no recording", "check the address")
    with TemporaryDirectory(prefix="mmerc-") as folder:
        root = Path(folder).resolve()
        study = only if Path(only).suffix.lower() in _STUDIES else STUDY_FILE
        listing = _list_names(place, root, names)
        _fetch_small(place, root, names, study=study, listed=set(listing.files))
        try:
            if Path(only).suffix.lower() in _STUDIES:
                plan = plan_study_file(root / only, listing=listing)
            else:
                plan = plan_folder(root, listing=listing)
        except InputError as error:
            where = error.where.replace(str(root), str(place))
            raise InputError(where, error.problem, error.fix) from error
        return _relocate(plan, root, place)


def _belongs(name: str, recording: str) -> bool:
    """Whether a file is the recording or may accompany it."""
    return name == recording or (
        "/" not in name
        and name.startswith(f"{Path(recording).stem}.")
        and Path(name).suffix.lower() in _SMALL
    )


def _fetch_small(
    place: RemoteFolder, root: Path, names: Collection[str], *, study: str, listed: Collection[Path]
) -> None:
    """Fetch the files needed for planning: the study file, and the starts of .vtt files.

    Tables, and .vtt files that are not ``listed`` (only a study file can name them), are replaced
    by empty files.
    """
    if study in names:
        _write(root, study, place.read_small(study, largest=LARGEST_TEXT))
    for name in names:
        suffix = Path(name).suffix.lower()
        if suffix in TABLES:
            _write(root, name, b"")
        elif suffix == ".vtt":
            is_listed = place_on_disk(root, name) in listed
            _write(root, name, place.read_start(name, CAPTIONS_START) if is_listed else b"")


def _write(root: Path, name: str, content: bytes) -> None:
    """Write a file inside a local folder."""
    path = place_on_disk(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _list_names(place: RemoteFolder, root: Path, names: Sequence[str]) -> FolderListing:
    """List recordings and accompanying files, like ``list_folder``."""
    listing, others = FolderListing(), Counter[str]()
    studies = [name.removesuffix(LOCK) for name in names if name.endswith(f"/{LOCK}")]
    for name in names:
        suffix = Path(name).suffix.lower()
        hidden = any(part.startswith(".") for part in name.split("/"))
        if hidden or name.startswith(tuple(studies)) or suffix in _STUDIES:
            continue
        if suffix in MEDIA | _SMALL:
            listing.files.append(place_on_disk(root, name))
        else:
            others[suffix or "no suffix"] += 1
    for name in studies:
        listing.remarks.append(f"{place}/{name.rstrip('/')}: a study's results, not analysed.")
    if others:
        listing.remarks.append(describe_unused(place, others))
    return listing


def _relocate(plan: StudyPlan, root: Path, place: RemoteFolder) -> StudyPlan:
    """Make the plan's paths relative to the folder at the URL."""

    def relocate(item: StudyRecording) -> StudyRecording:
        paths = {role: path.relative_to(root) for role, path in item.inputs.items()}
        return replace(item, remote=place.url, **paths)  # type: ignore[arg-type]

    remarks = tuple(line.replace(str(root), str(place)) for line in plan.remarks)
    return replace(plan, recordings=tuple(map(relocate, plan.recordings)), remarks=remarks)
