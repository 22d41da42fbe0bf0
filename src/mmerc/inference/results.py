"""The output files of an analysis: checked before it starts, written all or none."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from mmerc.errors import InputError, UsageError
from mmerc.files import write_error
from mmerc.inference.analysis import Analysis
from mmerc.inference.formats import ANALYSIS_FORMATS


def write_results(
    analysis: Analysis, directory: str | Path, *, stem: str | None = None, overwrite: bool = False
) -> list[Path]:
    """Write an analysis in every format; return the files, the page first.

    The files are ``STEM.html``, ``STEM.jsonl``, ``STEM.csv``, ``STEM.vtt``, ``STEM.eaf`` and
    ``STEM.TextGrid``; the stem defaults to the recording's. If one file cannot be written, or
    exists and ``overwrite`` is false: InputError, and no file is written.
    """
    directory = Path(directory)
    paths = _result_paths(directory, Path(analysis.recording).stem if stem is None else stem)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".mmerc-", dir=directory) as folder:
            staging = Path(folder)
            for path, form in zip(paths, ANALYSIS_FORMATS.values(), strict=True):
                _write_staged(staging / path.name, form.write(analysis), path)
            for path in paths:
                check_free(path, overwrite=overwrite)
            for path in paths:
                (staging / path.name).replace(path)
    except OSError as error:
        raise write_error(directory, error) from error
    return paths


def _write_staged(path: Path, text: str, target: Path) -> None:
    """Write a file; errors name its ``target``."""
    try:
        # JSON can contain a lone surrogate, UTF-8 cannot.
        path.write_text(text, encoding="utf-8", errors="replace", newline="")
    except OSError as error:
        raise write_error(target, error) from error


def _result_paths(directory: str | Path, stem: str) -> list[Path]:
    """Return the paths that ``write_results`` writes."""
    return [Path(directory) / f"{stem}.{name}" for name in ANALYSIS_FORMATS]


def check_results(
    recording: str | Path,
    directory: str | Path,
    *,
    inputs: Iterable[str | Path | None] = (),
    overwrite: bool = False,
) -> None:
    """Raise if the results of a recording cannot be written to ``directory``.

    UsageError if one would replace the recording or another of the ``inputs``. InputError if one
    exists and ``overwrite`` is false, if a name is too long, or if the page would play a different
    file with the recording's name.
    """
    recording, directory = Path(recording), Path(directory)
    sources = [Path(source) for source in (recording, *inputs) if source is not None]
    sources = [source for source in sources if source.exists()]
    paths = _result_paths(directory, recording.stem)
    _check_name(max(paths, key=lambda path: len(path.name)), recording)
    for path in paths:
        if path.exists() and any(path.samefile(source) for source in sources):
            raise UsageError(
                f"{path} is an input, and a result would replace it; choose another --out."
            )
        check_free(path, overwrite=overwrite)
    beside = directory / recording.name
    if recording.exists() and beside.exists() and not beside.samefile(recording):
        problem = "another file with the recording's name, which the page would play"
        raise InputError(beside, problem, "choose another --out")


def _check_name(path: Path, recording: Path) -> None:
    """InputError if a file name is too long for the file system."""
    excess = len(os.fsencode(path.name)) - _longest_name(path.parent)
    if excess > 0:
        problem = f"its results would have names that are {excess} bytes too long"
        raise InputError(recording, problem, "give the recording a shorter name")


def check_free(path: str | Path, *, overwrite: bool, option: str = "--out") -> None:
    """InputError if ``path`` is a folder, or an existing file that must not be replaced.

    ``option`` is the command-line option for the path.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(path, "a folder has the name of a result", f"choose another {option}")
    if not overwrite and (path.exists() or path.is_symlink()):
        fix = f"choose another {option}, or pass --overwrite"
        raise InputError(path, "exists already", fix)


def work_path(recording: str | Path, directory: str | Path) -> Path:
    """Return the hidden folder for intermediate results of a recording's analysis."""
    recording, directory = Path(recording), Path(directory)
    name = f".{recording.name}.mmerc"
    if len(os.fsencode(name)) > _longest_name(directory):
        name = f".{recording.stem}.mmerc"
    return directory / name


def link_recording(recording: str | Path, directory: str | Path) -> None:
    """Link the recording into the folder of its page, which plays it from there.

    Does nothing on a file system without links; the page then says where to put the recording.
    """
    recording = Path(recording)
    beside = Path(directory) / recording.name
    if beside.exists() or beside.is_symlink():
        return
    try:
        beside.symlink_to(recording.resolve())
    except OSError:
        return


def _longest_name(directory: Path) -> int:
    """Return the longest file name, in bytes, that a folder (existing or not) allows."""
    for folder in (directory, *directory.absolute().parents):
        if folder.is_dir():
            try:
                return os.pathconf(folder, "PC_NAME_MAX")
            except (OSError, ValueError):
                break
    return 255
