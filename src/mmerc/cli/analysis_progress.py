"""Progress of ``mmerc analyze`` on the terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mmerc.inference.pipeline.progress import Step

_INTERVAL = 2.0  # seconds between two lines of one stage
_STAGES = {
    "speech": "detecting speech",
    "speakers": "distinguishing speakers",
    "words": "transcribing",
    "audio": "sound",
    "video": "faces",
    "emotions": "emotions",
}


@dataclass
class AnalysisProgress:
    """Reports the start and the end of each stage, and its progress every two seconds."""

    report: Callable[[str], None]
    stage: str = ""
    reported: float = 0.0

    def __call__(self, step: Step) -> None:
        first, last = step.stage != self.stage, step.done == step.total
        if first or last or time.monotonic() - self.reported >= _INTERVAL:
            self.stage, self.reported = step.stage, time.monotonic()
            count = f": {step.done} of {step.total}" if step.total else ""
            self.report(f"{_STAGES.get(step.stage, step.stage)}{count}")
