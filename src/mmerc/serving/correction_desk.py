"""Analyses being corrected: one desk each."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from mmerc.errors import InputError
from mmerc.inference.correction.correction_log import CorrectionLog
from mmerc.inference.correction.sample_folder import SAMPLE, SampleFolder
from mmerc.inference.correction.stored_analysis import load_analysis

_MAX_DESKS = 8  # in memory; others are read again when needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """An analysis with its corrections: ``stem`` names its files, ``recording`` may be missing.

    ``folder`` contains the analysis. ``on_change`` is called after every accepted correction.
    ``predicts_again``: edited lines can be predicted again on the page. ``sample``: a sample that
    is labelled blind, instead of an analysis.
    """

    log: CorrectionLog
    stem: str
    folder: Path
    recording: Path | None
    on_change: Callable[[], None]
    predicts_again: bool = False
    sample: SampleFolder | None = None

    def find_recording(self, conversation: str | None) -> Path | None:
        """Return the recording (for a sample, of a conversation); None if it is missing."""
        path = self.recording
        if self.sample is not None:
            name = self.sample.recordings.get(conversation or "")
            path = None if name is None else self.folder / name
        return path if path is not None and path.is_file() else None


def open_desk(
    analysis: str | Path,
    *,
    database: str | Path | None = None,
    recording: str | Path | None = None,
    stem: str | None = None,
    on_change: Callable[[], None] = lambda: None,
    predicts_again: bool = False,
) -> Desk:
    """Open an analysis or a sample, with its corrections (``STEM.corrections.sqlite``).

    ``recording`` defaults to the file named in the analysis, in the same folder. InputError if the
    analysis cannot be read, or the corrections belong to another one.
    """
    if (Path(analysis) / SAMPLE).is_file():
        return _open_sample(Path(analysis))
    stored = load_analysis(analysis)
    folder = stored.folder
    database = folder / f"{stored.stem}.corrections.sqlite" if database is None else Path(database)
    media = folder / stored.analysis.recording if recording is None else Path(recording)
    return Desk(
        log=CorrectionLog(database, stored.analysis),
        stem=stem or stored.stem,
        folder=folder,
        recording=media if media.is_file() else None,
        on_change=on_change,
        predicts_again=predicts_again,
    )


def _open_sample(folder: Path) -> Desk:
    """Open a sample; InputError if damaged, or if it names recordings outside its folder."""
    sample = SampleFolder.read(folder)
    for name in sample.recordings.values():
        if PurePath(name).is_absolute() or ".." in PurePath(name).parts:
            fix = "draw the sample again with `mmerc sample`"
            raise InputError(folder / SAMPLE, f"names {name!r}, outside of its folder", fix)
    return Desk(
        log=CorrectionLog(folder / "sample.corrections.sqlite", sample.build_analysis()),
        stem="sample",
        folder=folder,
        recording=None,
        on_change=lambda: None,
        sample=sample,
    )


def open_job_desk(folder: Path, *, stem: str, on_change: Callable[[], None] = lambda: None) -> Desk:
    """Open the analysis of a job of the service; errors as for ``open_desk``."""
    return open_desk(
        folder / "results" / "result",
        database=folder / "corrections.sqlite",
        recording=folder / "recording",
        stem=stem,
        on_change=on_change,
        predicts_again=True,
    )


@dataclass
class OpenDesks:
    """A cache of the most recently used desks of jobs."""

    desks: OrderedDict[str, Desk] = field(default_factory=OrderedDict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, job: str, folder: Path, *, stem: str, on_change: Callable[[], None]) -> Desk:
        """Return the desk of a finished job with files in ``folder``."""
        with self.lock:
            for other in [key for key, desk in self.desks.items() if not desk.folder.is_dir()]:
                del self.desks[other]
            if job not in self.desks:
                self.desks[job] = open_job_desk(folder, stem=stem, on_change=on_change)
            self.desks.move_to_end(job)
            while len(self.desks) > _MAX_DESKS:
                self.desks.popitem(last=False)
            return self.desks[job]
