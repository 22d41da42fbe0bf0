"""Progress and files of ``mmerc analyze``."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mmerc.files import write_text

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


def write_analysis(analysis: Analysis, recording: Path, directory: Path) -> list[Path]:
    """Write the page and the files of other tools; the page first.

    The page looks for the recording beside itself: where the results go elsewhere, a link to the
    recording is put there, or the page says that it is not there.
    """
    from mmerc.inference.exports.files import write_exports
    from mmerc.inference.page.render import render_page

    page = directory / f"{recording.stem}.html"
    write_text(page, render_page(analysis))
    put_beside(recording, directory)
    return [page, *write_exports(analysis, directory, recording.stem)]


def put_beside(recording: Path, directory: Path) -> None:
    """Link the recording into the folder of its page, if it is not there."""
    beside = directory / recording.name
    if beside.exists() or beside.is_symlink():
        return
    try:
        beside.symlink_to(recording.resolve())
    except OSError:  # a file system without links: the page says where to put it
        return
