"""Create a ``study.yaml`` for a folder."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, count
from pathlib import Path
from typing import Any

import yaml

from mmerc.errors import InputError
from mmerc.files import write_error
from mmerc.studies.folder_listing import (
    LONGEST_NAME,
    STUDY_FILE,
    find_recordings,
    group_by_name,
    is_recording_name,
    is_text,
    list_folder,
    match_side_files,
)

_HEAD = """\
# A study of mmerc: fill in what you know, delete what you do not need (docs/studies.md).
# Analyse it with: mmerc analyze study.yaml --out STUDY
#
# participant, session, condition, group: columns of the tables. A participant has one group.
# columns: further columns, such as {age: 34}
# speakers: names of speakers in the recording and who they are, such as {Nora: p07}
# exclude: parts to leave out, in seconds, such as [0-12.5, 300-310]
"""


def write_study_file(folder: str | Path) -> tuple[Path, list[str]]:
    """Write ``study.yaml`` for the recordings of a folder; return its path and remarks.

    InputError if the folder has no recordings, or the file exists.
    """
    folder = Path(folder)
    path = folder / STUDY_FILE
    if not folder.is_dir():
        raise InputError(folder, "no such folder", "check the path")
    listing = list_folder(folder)
    recordings = find_recordings(item for item in listing.files if is_text(item))
    if not recordings:
        raise InputError(folder, "contains no recording", "check the path")
    remarks = [*listing.remarks, *(f"{p}: {why}." for p, why in listing.unusable.items())]
    remarks += [f"{p}: its path is not UTF-8 text." for p in listing.files if not is_text(p)]
    names = _choose_names(folder, recordings)
    entries, groups = [], group_by_name(listing.files)
    for item in recordings:
        sides = match_side_files(item, groups)
        remarks += [f"{item.name}: {line}" for line in (sides.problem, *sides.remarks) if line]
        name = None if names[item] == item.stem else names[item]
        files = {"subtitles": sides.subtitles, "turns": sides.turns, "transcript": sides.transcript}
        entries.append(_build_entry(folder, item, name, files))
    text = yaml.safe_dump(
        {"settings": {"speakers": "", "language": ""}, "recordings": entries},
        sort_keys=False,
        allow_unicode=True,
        width=1000,
    )
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(_HEAD + text.replace("''", ""))
    except FileExistsError as error:
        raise InputError(path, "exists already", "edit it, or move it away") from error
    except OSError as error:
        raise write_error(path, error) from error
    return path, remarks


def _choose_names(folder: Path, recordings: Sequence[Path]) -> dict[Path, str]:
    """Choose a name for every recording: its own if short and unique (ignoring case)."""
    stems = [item.stem.casefold() for item in recordings]
    names: dict[Path, str] = {}
    used = set(stems)
    for item in recordings:
        name = item.stem
        if stems.count(name.casefold()) > 1 or not is_recording_name(name):
            path = "-".join(item.relative_to(folder).parts).replace(".", "-")
            long = path.encode()[: LONGEST_NAME - 10].decode(errors="ignore")
            further = (f"{long}-{number}" for number in count(2))
            name = next(text for text in chain([long], further) if text.casefold() not in used)
        used.add(name.casefold())
        names[item] = name
    return names


def _build_entry(
    folder: Path, recording: Path, name: str | None, files: dict[str, Path | None]
) -> dict[str, Any]:
    """Build an entry of the file, with empty keys to fill in."""
    paths = {key: str(path.relative_to(folder)) for key, path in files.items() if path is not None}
    return {
        "file": str(recording.relative_to(folder)),
        **({} if name is None else {"name": name}),
        **paths,
        **dict.fromkeys(("participant", "session", "condition", "group"), ""),
    }
