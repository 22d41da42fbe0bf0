"""Progress and files of ``mmerc analyze``."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mmerc.errors import InputError, UsageError
from mmerc.files import write_error, write_text

if TYPE_CHECKING:
    from mmerc.inference.analysis import Analysis
    from mmerc.inference.pipeline.progress import Step

EVERY = 2.0  # seconds between two lines of one stage
NAMES = {
    "speech": "finding speech",
    "speakers": "telling voices apart",
    "words": "transcribing",
    "audio": "sound",
    "video": "faces",
    "emotions": "emotions",
}
ENDINGS = ("html", "jsonl", "csv", "vtt", "eaf", "TextGrid")


@dataclass
class Saying:
    """Says each stage as it begins and ends, and how far it is every other second."""

    report: Callable[[str], None]
    stage: str = ""
    said: float = 0.0

    def __call__(self, step: Step) -> None:
        begun, over = step.stage != self.stage, step.done == step.total
        if begun or over or time.monotonic() - self.said >= EVERY:
            self.stage, self.said = step.stage, time.monotonic()
            count = f": {step.done} of {step.total}" if step.total else ""
            self.report(f"{NAMES.get(step.stage, step.stage)}{count}")


def results_of(recording: Path, directory: Path) -> list[Path]:
    """The files that an analysis comes to."""
    return [directory / f"{recording.stem}.{ending}" for ending in ENDINGS]


def check_results(
    recording: Path, directory: Path, *, read: Iterable[Path | None], overwrite: bool
) -> None:
    """Refuse to replace what is ``read``, ever, and any other file unless ``overwrite`` says so."""
    sources = [source for source in (recording, *read) if source is not None and source.exists()]
    for path in results_of(recording, directory):
        if path.exists() and any(path.samefile(source) for source in sources):
            raise UsageError(
                f"{path} is read, and a result would replace it; choose another --out."
            )
        check_free(path, overwrite=overwrite)
    beside = directory / recording.name
    if recording.exists() and beside.exists() and not beside.samefile(recording):
        problem = "another file of the recording's name, which the page would play"
        raise InputError(beside, problem, "choose another --out")


def check_free(path: Path, *, overwrite: bool) -> None:
    """InputError where something stands in a result's place."""
    if path.is_dir():
        raise InputError(path, "a folder where a result is to stand", "choose another --out")
    if not overwrite and (path.exists() or path.is_symlink()):
        raise InputError(path, "exists already", "choose another --out, or pass --overwrite")


def write_analysis(
    analysis: Analysis, recording: Path, directory: Path, *, overwrite: bool
) -> list[Path]:
    """Write the page and the files of other tools, all of them or none; the page first.

    InputError where one cannot be written, or came into being while the analysis ran.
    """
    from mmerc.inference.exports.files import write_exports
    from mmerc.inference.page.render import render_page

    paths = results_of(recording, directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{recording.stem}.", dir=directory) as folder:
            staging = Path(folder)
            write_text(staging / paths[0].name, render_page(analysis))
            write_exports(analysis, staging, recording.stem)
            for path in paths:
                check_free(path, overwrite=overwrite)
            for path in paths:
                (staging / path.name).replace(path)
    except InputError as error:
        where = directory / Path(error.where).name
        raise InputError(where, error.problem, error.fix) from error
    except OSError as error:
        raise write_error(directory, error) from error
    return paths


def put_beside(recording: Path, directory: Path) -> None:
    """Link the recording into the folder of its page, which looks for it there."""
    beside = directory / recording.name
    if beside.exists() or beside.is_symlink():
        return
    try:
        beside.symlink_to(recording.resolve())
    except OSError:  # a file system without links: the page says where to put it
        return
